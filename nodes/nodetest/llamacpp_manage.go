package nodetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// llamaDecode reads a request; false means that it was refused.
func llamaDecode(w http.ResponseWriter, body []byte, in any) bool {
	err := json.Unmarshal(body, in)
	if err == nil {
		return true
	}
	at := 1
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = int(syntax.Offset)
	}
	llamaError(w, http.StatusBadRequest, fmt.Sprintf("[json.exception.parse_error.101] parse error at line 1, column %d: %v", at, err))
	return false
}

// manage is a router's load, unload and download.
func (l *LlamaCPP) manage(w http.ResponseWriter, r *http.Request, body []byte) {
	var in struct{ Model string }
	if !llamaDecode(w, body, &in) {
		return
	}
	var no *refusal
	switch r.URL.Path {
	case "/models":
		no = l.download(in.Model)
	case "/models/load":
		no = l.load(in.Model)
	case "/models/unload":
		no = l.unload(in.Model)
	default:
		no = &refusal{http.StatusNotFound, "File Not Found"}
	}
	if no != nil {
		no.write(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]bool{"success": true})
}

func (l *LlamaCPP) download(name string) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := findModel(l.known(), l.sameName, name)
	_, under := l.downloads[name]
	switch {
	case name == "":
		return &refusal{http.StatusBadRequest, "model must be a non-empty string"}
	case !strings.Contains(name, "/"):
		return &refusal{http.StatusBadRequest, "error: invalid HF repo format, expected <user>/<model>[:quant]\n"}
	case known || under:
		return &refusal{http.StatusBadRequest, "model '" + name + "' already exists"}
	}
	l.downloads[name] = 0
	return nil
}

// load answers before the model is loaded. Unlike a chat, it waits for no model that
// is busy.
func (l *LlamaCPP) load(name string) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, known := findModel(l.known(), l.sameName, name)
	switch {
	case !known:
		return &refusal{http.StatusNotFound, "File Not Found"}
	case l.running(m) != nil:
		return &refusal{http.StatusBadRequest, "model is already running"}
	}
	i, no := l.spawn(m)
	if i == nil && no == nil {
		no = modelLimit
	}
	return no
}

// unload answers before the model is gone.
func (l *LlamaCPP) unload(name string) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, known := findModel(l.known(), l.sameName, name)
	i := l.running(m)
	switch {
	case !known:
		return &refusal{http.StatusBadRequest, "model is not found"}
	case i == nil:
		return &refusal{http.StatusBadRequest, "model is not running"}
	}
	if _, onlyWords := l.onLocked(UnloadOnlyAcknowledged, Unloads); !onlyWords {
		l.retire(i)
	}
	return nil
}

// rescan reads the router's folder again. The process of a model whose file is
// gone ends.
func (l *LlamaCPP) rescan() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed = append([]Model{}, l.models...)
	for _, i := range slices.Clone(l.instances) {
		if _, there := findModel(l.listed, l.sameName, i.model.Name); !there {
			l.end(i, false)
		}
	}
}

// tell streams the changes of the models' states, without an end.
func (l *LlamaCPP) tell(w http.ResponseWriter, r *http.Request) {
	out := newEvents(w)
	was := map[string]string{}
	for first := true; ; first = false {
		l.mu.Lock()
		l.settle()
		var frames []frame
		for _, m := range l.known() {
			s := l.status(m)
			value := s["value"].(string)
			if !first && value != was[m.Name] {
				frames = append(frames, l.changes(m, value)...)
			}
			was[m.Name] = value
		}
		closed := l.closed
		l.mu.Unlock()
		out.sendAll(frames)
		if closed || !nodes.Sleep(r.Context(), llamaPoll) {
			return
		}
	}
}

// changes are the events of a model's new state. l.mu is held.
func (l *LlamaCPP) changes(m Model, value string) []frame {
	event := func(name string, data map[string]any) frame {
		data["status"] = value
		return frame{body: map[string]any{"model": m.Name, "event": name, "data": data}}
	}
	switch value {
	case "loading":
		return []frame{event("model_status", map[string]any{}), event("status_change", map[string]any{
			"progress": map[string]any{"stages": []string{"text_model"}, "current": "text_model", "value": 0.0}})}
	case "loaded":
		return []frame{event("status_change", map[string]any{"info": l.singleEntry(m)})}
	case "unloaded":
		return []frame{event("status_change", map[string]any{"exit_code": l.failed[m.Name]})}
	}
	return []frame{event("status_change", map[string]any{})}
}

// lookAtDownload finds a download a quarter further with each look. One that fails
// is seen once. l.mu is held.
func (l *LlamaCPP) lookAtDownload(name string, show func(done int64, status string)) {
	looks := l.downloads[name]
	l.downloads[name] = looks + 1
	switch {
	case l.settings.DownloadFails && looks > 0:
		delete(l.downloads, name)
	case looks < 4:
		show(int64(looks)<<28, "downloading")
	default:
		delete(l.downloads, name)
		l.known()
		l.models = append(slices.Clone(l.models), Model{Name: name})
		l.listed = append(slices.Clone(l.listed), Model{Name: name})
		show(1<<30, "downloaded")
	}
}

// now is the time of a request, as the server tells it.
func now() int64 { return time.Now().Unix() }
