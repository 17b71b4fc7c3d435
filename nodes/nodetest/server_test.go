package nodetest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/nodetest"
)

func get(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return client.Do(req)
}

func status(t *testing.T, url string) int {
	t.Helper()
	resp, err := get(t, url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestDownAndBackOnTheSameAddress(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{})
	url := fake.URL + "/v1/models"
	for range 3 {
		if got := status(t, url); got != 200 {
			t.Fatalf("up: %d", got)
		}
		fake.Break(nodetest.Down)
		if resp, err := get(t, url); err == nil {
			_ = resp.Body.Close()
			t.Fatal("down, and it answers")
		} else if !refused(err) {
			t.Fatalf("down: %v", err)
		}
		fake.Mend(nodetest.Down)
	}
}

// refused tells the system's own number for it, which on Windows is another.
func refused(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && (errno == syscall.ECONNREFUSED || errno == 10061)
}

func TestFaultsOfEveryFake(t *testing.T) {
	for name, test := range map[string]struct {
		fault  nodetest.Fault
		detail nodetest.Detail
		status int
		header string
		body   string
	}{
		"500":              {nodetest.Status500, nodetest.Detail{}, 500, "", "internal error"},
		"500 in own words": {nodetest.Status500, nodetest.Detail{Text: "the cat"}, 500, "", "the cat"},
		"401":              {nodetest.Unauthorized, nodetest.Detail{}, 401, "", "invalid API key"},
		"429":              {nodetest.TooManyRequests, nodetest.Detail{Delay: 9 * time.Second}, 429, "9", "too many requests"},
		"not JSON":         {nodetest.NotJSON, nodetest.Detail{}, 200, "", "<!doctype html>"},
		"redirect":         {nodetest.RedirectLoop, nodetest.Detail{}, 307, "", "/v1/models"},
		"slow":             {nodetest.Slow, nodetest.Detail{Delay: time.Millisecond}, 200, "", `"good"`},
	} {
		t.Run(name, func(t *testing.T) {
			fake := nodetest.NewOpenAI(t, nodetest.Options{})
			fake.BreakWith(test.fault, test.detail)
			resp, err := get(t, fake.URL+"/v1/models")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != test.status || resp.Header.Get("Retry-After") != test.header || !strings.Contains(string(body), test.body) {
				t.Errorf("got %d, %q, %s, %v", resp.StatusCode, resp.Header.Get("Retry-After"), body, err)
			}
			fake.Mend(test.fault)
			if got := status(t, fake.URL+"/v1/models"); got != 200 {
				t.Errorf("after the fault: %d", got)
			}
		})
	}
}

func TestAFaultOfSomeRoutesAndSomeTimes(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{})
	fake.BreakWith(nodetest.Status500, nodetest.Detail{Routes: nodetest.Chats})
	if got := status(t, fake.URL+"/v1/models"); got != 200 {
		t.Errorf("another route: %d", got)
	}
	fake.BreakWith(nodetest.Status500, nodetest.Detail{Routes: nodetest.Lists, Times: 2})
	var got []int
	for range 3 {
		got = append(got, status(t, fake.URL+"/v1/models"))
	}
	if diff := cmp.Diff([]int{500, 500, 200}, got); diff != "" {
		t.Error(diff)
	}
}

func TestHangEndsWhenMended(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{})
	fake.Break(nodetest.Hang)
	answered := make(chan error, 1)
	go func() {
		resp, err := http.Get(fake.URL + "/v1/models")
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	for len(fake.Calls()) == 0 { // it is being asked
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-answered:
		t.Fatalf("answered while it hangs: %v", err)
	default:
	}
	fake.Mend(nodetest.Hang)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestCallsAreOnRecord(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{})
	status(t, fake.URL+"/v1/models?a=1")
	resp, err := http.Post(fake.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"good"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	var got []string
	for _, c := range fake.Calls() {
		got = append(got, fmt.Sprint(c.Method, " ", c.Path, " ", c.Body, " ", c.Route))
	}
	want := []string{"GET /v1/models?a=1  1", `POST /v1/chat/completions {"model":"good"} 2`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if chats := fake.CallsTo(nodetest.Chats); len(chats) != 1 {
		t.Errorf("%d chats", len(chats))
	}
}

func TestMemoryChangesBehindTheBack(t *testing.T) {
	fake := nodetest.NewLlamaCPPRouter(t, nodetest.Options{Models: []nodetest.Model{{Name: "a"}, {Name: "b"}}})
	var got [][]string
	note := func() { got = append(got, fake.Loaded()) }
	note()
	fake.AddInstance("a")
	note()
	fake.Replace("b")
	note()
	fake.Replace("nobody")
	note()
	fake.Drop()
	note()
	fake.AddInstance("b")
	fake.Restart()
	note()
	want := [][]string{{"a"}, {"a", "a:2"}, {"b"}, {"b"}, nil, nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// failure takes the fatal end of a fake's start.
type failure struct {
	testing.TB
	text string
}

func (f *failure) Helper()                           {}
func (f *failure) Cleanup(func())                    {}
func (f *failure) Fatalf(format string, args ...any) { f.text = fmt.Sprintf(format, args...); panic(f) }

func TestStartRefusesAModelThatIsNotThere(t *testing.T) {
	f := &failure{}
	defer func() {
		if recover() != f || !strings.Contains(f.text, `"nope" is not among the models`) {
			t.Errorf("got %q", f.text)
		}
	}()
	nodetest.NewOpenAI(f, nodetest.Options{Loaded: []string{"nope"}})
}

func TestCloseDropsWhatHangs(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{})
	fake.Break(nodetest.HangMidAnswer)
	resp, err := http.Post(fake.URL+"/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"good","stream":true,"messages":[{"role":"user","content":"2+2"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() {
		t.Fatal("no first piece")
	}
	fake.Close()
	for lines.Scan() { // ends
	}
	if lines.Err() == nil {
		t.Error("a dropped answer ended as if it were whole")
	}
	fake.Close() // twice is no harm
}

func TestModelsAnswerTheSameEveryTime(t *testing.T) {
	ask := func(url, question string) string {
		body := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":%q}]}`, question)
		resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for right, want := range map[float64][2]int{0: {100, 100}, -1: {0, 0}, 0.5: {30, 70}} {
		know := map[string]string{}
		for i := range 100 {
			know[fmt.Sprintf("<%d>", i)] = "right"
		}
		var shares [2]int
		for run := range shares {
			fake := nodetest.NewOpenAI(t, nodetest.Options{Models: []nodetest.Model{{Name: "m", Right: right, Knowledge: know}}})
			for q := range know {
				if strings.Contains(ask(fake.URL, q), "right") {
					shares[run]++
				}
			}
		}
		if shares[0] != shares[1] || shares[0] < want[0] || shares[0] > want[1] {
			t.Errorf("share %v: %v of 100 right, want %v and the same twice", right, shares, want)
		}
	}
}

func TestDripIsSlow(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{})
	fake.Break(nodetest.Drip)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fake.URL+"/v1/models", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if !errors.Is(err, context.DeadlineExceeded) || len(b) != 1 {
		t.Errorf("got %d bytes, %v; want one and no end", len(b), err)
	}
}
