package lmstudio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Limits of the requests for a download's status. The download goes on in the
// server without them, so that some may fail.
const (
	lookLimit     = 10 * time.Second
	maxFailedLook = 5
)

// job is the status of a download.
type job struct {
	ID         string          `json:"job_id"`
	Status     string          `json:"status"`
	Total      json.RawMessage `json:"total_size_bytes"`
	Downloaded json.RawMessage `json:"downloaded_bytes"`
}

// Download implements [nodes.Downloader]. model is a name in LM Studio's
// catalogue, or the address of a repository on Hugging Face, optionally followed
// by "@QUANTIZATION". It waits while the download is paused. If ctx ends, the
// download goes on in the server.
func (b *Backend) Download(ctx context.Context, model string, progress func(nodes.Progress)) error {
	request := map[string]string{"model": model}
	if repository, quantization, ok := cutQuantization(model); ok {
		request["model"], request["quantization"] = repository, quantization
	}
	var j job
	if err := b.post(ctx, "download", "/api/v1/models/download", request, &j); err != nil {
		return err
	}
	id := j.ID
	tick := time.NewTicker(b.pollDownload)
	defer tick.Stop()
	for {
		done, err := b.judge(j, model, progress)
		if done || err != nil {
			return err
		}
		if id == "" {
			return b.wire.Fail("download", nodes.Protocol, fmt.Sprintf("a download of status %q without an id", j.Status))
		}
		if j, err = b.next(ctx, id, tick.C); errors.Is(err, errNoJob) {
			return b.failed("download", nodes.ServerFailed, "the server has forgotten the download of "+model, "start it again")
		} else if err != nil {
			return err
		}
	}
}

// next waits for tick and returns the status of a download then.
func (b *Backend) next(ctx context.Context, id string, tick <-chan time.Time) (job, error) {
	for failed := 0; ; failed++ {
		select {
		case <-ctx.Done():
			return job{}, b.wire.Transport(ctx, "download", ctx.Err())
		case <-tick:
		}
		j, err := b.look(ctx, id)
		if err == nil || ctx.Err() != nil || !passing(err) || failed == maxFailedLook {
			return j, err
		}
	}
}

// cutQuantization splits "https://huggingface.co/a/b@Q4_K_M" at the "@".
func cutQuantization(model string) (repository, quantization string, ok bool) {
	u, err := url.Parse(model)
	if err != nil || u.Host == "" {
		return "", "", false
	}
	at := strings.LastIndex(model, "@")
	if at < 0 || at < strings.LastIndex(model, "/") || at == len(model)-1 {
		return "", "", false
	}
	return model[:at], model[at+1:], true
}

func (b *Backend) look(ctx context.Context, id string) (job, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var j job
	err := b.wire.JSON(ctx, "download", http.MethodGet, "/api/v1/models/download/status/"+url.PathEscape(id), nil, &j)
	return j, err
}

// passing reports whether a failed request for the status is worth repeating.
func passing(err error) bool {
	switch nodes.FaultOf(err) {
	case nodes.TimedOut, nodes.CutOff, nodes.Unreachable, nodes.Busy, nodes.ServerFailed:
		return true
	}
	return false
}

// judge reports a download's progress and whether it is done.
func (b *Backend) judge(j job, model string, progress func(nodes.Progress)) (done bool, err error) {
	if progress != nil {
		total, completed := bytesOf(read[float64](j.Total)), bytesOf(read[float64](j.Downloaded))
		progress(nodes.Progress{Status: j.Status, Completed: completed, Total: total})
	}
	switch j.Status {
	case "completed", "already_downloaded":
		return true, nil
	case "downloading", "paused":
		return false, nil
	case "failed":
		return true, b.failed("download", nodes.ServerFailed, model+" could not be downloaded", "see LM Studio's own log on the node; is its disk full?")
	}
	return true, b.wire.Fail("download", nodes.Protocol, fmt.Sprintf("a download of status %q", j.Status))
}
