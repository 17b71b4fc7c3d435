package llamacpp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/turbone/jarvis/nodes"
)

// progress is the progress of a download: the bytes of each file, by its address.
// Builds differ in its shape. Any other shape is read as unknown.
type progress struct{ done, total int64 }

// UnmarshalJSON adds up the bytes of the files.
func (p *progress) UnmarshalJSON(b []byte) error {
	type file struct {
		Downloaded int64 `json:"downloaded"`
		Done       int64 `json:"done"`
		Total      int64 `json:"total"`
	}
	var one file
	if json.Unmarshal(b, &one) == nil && one.Total > 0 {
		p.done, p.total = max(one.Downloaded, one.Done), one.Total
		return nil
	}
	var files map[string]json.RawMessage
	if json.Unmarshal(b, &files) != nil {
		return nil // a list or a number: unknown
	}
	for _, raw := range files {
		var f file
		if json.Unmarshal(raw, &f) == nil {
			p.done += max(f.Downloaded, f.Done)
			p.total += f.Total
		}
	}
	return nil
}

// Download implements [nodes.Downloader]: a router downloads "user/repo:QUANT" from
// Hugging Face. If ctx ends, the router goes on. A model that is on disk already
// is no error. One that can't be downloaded is [nodes.ModelNotFound].
func (b *Backend) Download(ctx context.Context, name string, report func(nodes.Progress)) error {
	const action = "download"
	if err := b.writable(ctx, action); err != nil {
		return err
	}
	models, err := b.list(ctx, action, true)
	if err != nil {
		return err
	}
	m := b.find(models, name)
	if m != nil && m.Status.Value != downloading {
		return nil
	}
	if m == nil {
		var ok success
		if err := b.wire.JSON(ctx, action, http.MethodPost, "/models", map[string]string{"model": name}, &ok); err != nil {
			return err
		}
	}
	last, err := b.await(ctx, action, name, func(s status) bool {
		if report != nil && s.Value == downloading {
			report(nodes.Progress{Status: s.Value, Completed: s.Progress.done, Total: s.Progress.total})
		}
		return s.Value == downloading
	})
	switch {
	case err != nil:
		return err
	case last == nil, last.Status.Failed:
		// The router drops a download that fails, and gives no reason.
		return b.wire.Fail(action, nodes.ModelNotFound, fmt.Sprintf("the download of %s ended without it", name))
	}
	if report != nil {
		report(nodes.Progress{Status: downloaded, Completed: last.size(), Total: last.size()})
	}
	return nil
}
