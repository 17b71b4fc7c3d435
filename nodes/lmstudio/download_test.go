package lmstudio

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func TestDownload(t *testing.T) {
	const gib = int64(1) << 30
	all := []nodes.Progress{
		{Status: "downloading", Total: gib},
		{Status: "downloading", Completed: gib / 4, Total: gib},
		{Status: "paused", Completed: gib / 2, Total: gib},
		{Status: "downloading", Completed: gib / 4 * 3, Total: gib},
		{Status: "completed", Completed: gib, Total: gib},
	}
	for name, test := range map[string]struct {
		model  string
		change func(*nodetest.LMStudioSettings)
		fault  nodetest.Fault
		detail nodetest.Detail
		want   nodes.Fault
		told   []nodes.Progress
		sent   string
	}{
		"a name":              {model: "lab/new-7b", told: all, sent: `{"model":"lab/new-7b"}`},
		"an address":          {model: "https://huggingface.co/lab/new-7b", told: all, sent: `{"model":"https://huggingface.co/lab/new-7b"}`},
		"with a quantization": {model: "https://huggingface.co/lab/new-7b@Q4_K_M", told: all, sent: `{"model":"https://huggingface.co/lab/new-7b","quantization":"Q4_K_M"}`},
		"there already":       {model: "GOOD", told: []nodes.Progress{{Status: "already_downloaded"}}, sent: `{"model":"GOOD"}`},
		"a bad name":          {model: "lab/new 7b", want: nodes.BadRequest, sent: `{"model":"lab/new 7b"}`},
		"a name with a quantization": {
			model: "lab/new-7b@Q4_K_M", want: nodes.BadRequest, sent: `{"model":"lab/new-7b@Q4_K_M"}`,
		},
		"it fails": {
			model: "lab/new-7b", change: func(s *nodetest.LMStudioSettings) { s.DownloadFails = true },
			want: nodes.ServerFailed, sent: `{"model":"lab/new-7b"}`,
			told: []nodes.Progress{all[0], all[1], {Status: "failed", Completed: gib / 2, Total: gib}},
		},
		"the server forgot it": {
			model: "lab/new-7b", change: func(s *nodetest.LMStudioSettings) { s.DownloadLost = true },
			want: nodes.ServerFailed, sent: `{"model":"lab/new-7b"}`, told: all[:1],
		},
		"a key that is refused": {
			model: "lab/new-7b", fault: nodetest.Unauthorized, want: nodes.Unauthorized, sent: `{"model":"lab/new-7b"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := nodetest.NewLMStudio(t, nodetest.Options{})
			if test.change != nil {
				fake.Configure(test.change)
			}
			if test.fault != "" {
				fake.BreakWith(test.fault, test.detail)
			}
			var told []nodes.Progress
			err := quick(t, fake.URL).Download(t.Context(), test.model, func(p nodes.Progress) { told = append(told, p) })
			if got := nodes.FaultOf(err); got != test.want {
				t.Errorf("got %q of %v, want %q", got, err, test.want)
			}
			if diff := cmp.Diff(test.told, told); diff != "" {
				t.Errorf("progress (-want +got):\n%s", diff)
			}
			if got := fake.Calls()[0].Body; got != test.sent {
				t.Errorf("sent %s, want %s", got, test.sent)
			}
		})
	}
}

// quick returns a backend that looks at its downloads without waiting.
func quick(t *testing.T, url string) *Backend {
	t.Helper()
	b, err := New(nodes.Connection{Node: "M1", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	b.pollDownload = time.Microsecond
	t.Cleanup(b.wire.HTTP().CloseIdleConnections)
	return b
}

func TestDownloadOutlastsAFewFailedLooks(t *testing.T) {
	for times, want := range map[int]nodes.Fault{maxFailedLook: "", maxFailedLook + 1: nodes.ServerFailed} {
		fake := nodetest.NewLMStudio(t, nodetest.Options{})
		err := quick(t, fake.URL).Download(t.Context(), "lab/new-7b", func(p nodes.Progress) {
			if p.Status == "downloading" && p.Completed == 0 {
				fake.BreakWith(nodetest.Status500, nodetest.Detail{Times: times})
			}
		})
		if got := nodes.FaultOf(err); got != want {
			t.Errorf("%d failed looks: got %q of %v, want %q", times, got, err, want)
		}
	}
}

func TestDownloadEndsWithItsContext(t *testing.T) {
	fake := nodetest.NewLMStudio(t, nodetest.Options{})
	b := quick(t, fake.URL)
	b.pollDownload = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Download(ctx, "lab/new-7b", func(nodes.Progress) { cancel() }) // the next look is an hour away
	if ctx.Err() == nil || err == nil || nodes.FaultOf(err) != "" {
		t.Errorf("got %v, want the cancellation and no fault", err)
	}
}
