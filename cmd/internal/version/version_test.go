package version

import (
	"runtime/debug"
	"testing"
)

// TestOf: a release tells its version, a checkout its commit.
func TestOf(t *testing.T) {
	commit := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: "2026-02-25T20:15:00Z"},
	}
	for _, c := range []struct {
		name, version string
		settings      []debug.BuildSetting
		want          string
	}{
		{"release", "v1.2.0", nil, "v1.2.0"},
		{"release with its commit", "v1.2.0", commit, "v1.2.0"},
		{"checkout", "(devel)", commit, "commit 0123456789ab, 2026-02-25"},
		{"checkout with changes", "(devel)", append(commit, debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "commit 0123456789ab, 2026-02-25, with changes"},
		{"neither", "", nil, "(devel)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			info := &debug.BuildInfo{Main: debug.Module{Version: c.version}, Settings: c.settings}
			if got := of(info); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
