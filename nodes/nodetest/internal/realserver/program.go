package realserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrUnavailable is wrapped where a server can't be had on this machine; the
// error's text says what is missing, in one line.
var ErrUnavailable = errors.New("no real server on this machine")

// Program is a Go program that is built once and kept in the user's cache folder.
type Program struct {
	// Name is the program's, Version a part of its folder's name.
	Name, Version string
	// Sources are its files, Files their places in the build's folder.
	Sources fs.ReadFileFS
	Files   map[string]string
	// Package is built with the linker's flags Flags and the environment Env.
	Package, Flags string
	Env            []string
	// Check says what is missing for a build; nil means that the go command is
	// enough.
	Check func(context.Context) error
}

//go:embed ctl/main.go
var ctlSource embed.FS

// control starts and ends servers, see its source.
var control = Program{
	Name: "ctl", Version: "1", Sources: ctlSource, Files: map[string]string{"ctl/main.go": "main.go"}, Package: "main.go", Flags: "-s -w",
}

// Get returns the path of the program and builds it where it isn't there.
// Processes that call it at the same time wait for the one that builds. The error
// wraps [ErrUnavailable] where something is missing on this machine.
func (p Program) Get(ctx context.Context) (path string, err error) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		return "", fmt.Errorf("%w: the harness runs on Linux and macOS", ErrUnavailable)
	}
	dir, err := p.dir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, p.Name)
	if p.Built() {
		return path, nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "", fmt.Errorf("%w: the go command is not in the PATH", ErrUnavailable)
	}
	if p.Check != nil {
		if err := p.Check(ctx); err != nil {
			return "", err
		}
	}
	unlock, err := Lock(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	if p.Built() { // another process built it meanwhile
		return path, nil
	}
	return path, p.build(ctx, dir)
}

// Lock makes a folder and locks it against other processes that do so. It waits
// for them until ctx ends.
func Lock(ctx context.Context, dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return nil, fmt.Errorf("wait for another process in %s: %w", dir, err)
	}
	return func() { _ = lock.Close() }, nil
}

// Built reports whether Get would return at once.
func (p Program) Built() bool {
	dir, err := p.dir()
	if err != nil {
		return false
	}
	info, err := os.Stat(filepath.Join(dir, p.Name))
	return err == nil && info.Mode().IsRegular()
}

// Cache returns a folder of that name in the user's cache folder.
func Cache(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "jarvis-test", name), nil
}

// dir is keyed by everything that the program depends on.
func (p Program) dir() (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, p.Env, p.Package, p.Flags, runtime.GOOS, runtime.GOARCH)
	for _, from := range slices.Sorted(maps.Keys(p.Files)) {
		b, err := p.Sources.ReadFile(from)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, p.Files[from], len(b))
		sum.Write(b)
	}
	return Cache(p.Name + "-" + p.Version + "-" + hex.EncodeToString(sum.Sum(nil))[:12])
}

// build writes the sources to dir and builds the program there. It is moved
// into place in one step, so that it is there whole or not.
func (p Program) build(ctx context.Context, dir string) error {
	for from, to := range p.Files {
		b, err := p.Sources.ReadFile(from)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, filepath.FromSlash(to))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, p.Name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", p.Flags, "-o", path+".new", p.Package)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	groupCommand(cmd)
	// Whatever module and workspace the caller is in.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "CGO_CPPFLAGS=-I"+filepath.Join(dir, "include"))
	cmd.Env = append(cmd.Env, p.Env...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("build %s: %w (the next build goes on from here)", p.Name, context.Cause(ctx))
		}
		return fmt.Errorf("build %s: %w\n%s", p.Name, err, lastLines(output.String(), 20))
	}
	return os.Rename(path+".new", path)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
