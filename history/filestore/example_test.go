package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
)

func ExampleOpen() {
	folder, err := os.MkdirTemp("", "history")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()
	file := filestore.Open(filepath.Join(folder, "history.json"), filestore.Keep(2))

	// Two reports of one run, then two more runs.
	for _, run := range []history.Run{
		{ID: "monday", Score: 8.1, Tests: 40},
		{ID: "monday", Score: 8.4, Tests: 80},
		{ID: "tuesday", Score: 8.5, Tests: 80},
		{ID: "wednesday", Score: 9.2, Tests: 80},
	} {
		done, err := file.Append(ctx, run)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(done.ID, done.Replaced, done.Total)
	}
	archived, err := file.Archived(ctx)
	fmt.Println("archived:", archived[0].ID, archived[0].Tests, err)
	// Output:
	// monday false 1
	// monday true 1
	// tuesday false 2
	// wednesday false 2
	// archived: monday 80 <nil>
}

func ExampleStore_SetChampion() {
	folder, err := os.MkdirTemp("", "history")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()
	file := filestore.Open(filepath.Join(folder, "history.json"))

	_, there, err := file.Champion(ctx)
	fmt.Println(there, err)
	err = file.SetChampion(ctx, history.Champion{Model: "devstral", Score: 9.2, Since: time.Date(2026, 3, 26, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		fmt.Println(err)
		return
	}
	champion, there, err := file.Champion(ctx)
	fmt.Println(champion.Model, champion.Score, there, err)
	// Output:
	// false <nil>
	// devstral 9.2 true <nil>
}

func ExampleUnreadableError() {
	folder, err := os.MkdirTemp("", "history")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "history.json")
	if err := os.WriteFile(path, []byte("{\n  \"runs\": [\n    oops\n"), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	_, err = filestore.Open(path, filestore.Patience(filestore.NoPatience)).Runs(context.Background())
	var broken *filestore.UnreadableError
	if errors.As(err, &broken) {
		fmt.Println(filepath.Base(broken.Path), "line", broken.Line)
	}
	// Output: history.json line 3
}
