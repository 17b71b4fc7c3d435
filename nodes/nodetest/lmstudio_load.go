package nodetest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The words in which LM Studio says that a load failed.
const (
	lmLoadFailed = `Failed to load model "%s". Error: (Exit code: 6). Please check the settings and try loading the model again.`
	lmGuardrail  = `Failed to load model "%s". Error: Model loading was stopped due to insufficient system resources. ` +
		"Under the current settings, this model requires approximately 24.33 GB of memory, and continuing to load it would likely " +
		"overload your system and cause it to freeze."
)

// load is POST /api/v1/models/load. It blocks until the model is loaded, and
// makes another instance of one that is loaded already.
func (l *LMStudio) load(w http.ResponseWriter, r *http.Request, c LMStudioSettings, body []byte) {
	keys := []string{"model", "context_length", "eval_batch_size", "flash_attention", "num_experts", "offload_kv_cache_to_gpu", "echo_load_config"}
	if c.AcceptParallel {
		keys = append(keys, "parallel")
	}
	in, ok := l.strict(w, body, keys...)
	if !ok {
		return
	}
	name, ok := required(w, in, "model")
	if !ok {
		return
	}
	settings := map[string]any{}
	for k, v := range in {
		if k == "model" || k == "echo_load_config" {
			continue
		}
		if !rightType(k, v) {
			lmError{"invalid_request", "Invalid type for '" + k + "'", "invalid_type", k}.write(w, http.StatusBadRequest)
			return
		}
		settings[k] = v
	}
	l.mu.Lock()
	m, found := findModel(l.models, l.sameName, name)
	l.mu.Unlock()
	if !found {
		lmError{Type: "model_not_found", Message: "Model " + name + " not found in downloaded models"}.write(w, http.StatusNotFound)
		return
	}
	began := time.Now()
	inst, text := l.bring(r, m, settings, 0)
	switch {
	case text != "":
		status := c.LoadErrorStatus
		if status == 0 {
			status = http.StatusInternalServerError
		}
		lmError{Type: "model_load_failed", Message: text}.write(w, status)
		return
	case inst == nil:
		return
	}
	kind := "llm"
	if l.embeds(c, m) {
		kind = "embedding"
	}
	out := map[string]any{"type": kind, "instance_id": inst.id, "load_time_seconds": time.Since(began).Seconds(), "status": "loaded"}
	if echo, _ := in["echo_load_config"].(bool); echo {
		out["load_config"] = l.loadConfig(c, m, settings)
	}
	writeJSON(w, http.StatusOK, out)
}

func rightType(key string, v any) bool {
	_, isBool := v.(bool)
	n, isNumber := v.(float64)
	if key == "flash_attention" || key == "offload_kv_cache_to_gpu" {
		return isBool
	}
	return isNumber && n >= 1 && n == float64(int(n))
}

// bring loads a model: by a load with ttl 0, by a chat with one. It returns
// the text of the engine's failure, and neither where nobody is left to tell.
// A load goes on when its client leaves, and ends with the server.
func (l *LMStudio) bring(r *http.Request, m Model, settings map[string]any, ttl time.Duration) (*instance, string) {
	if d, on := l.on(LoadFails, Loads); on {
		return nil, or(d.Text, fmt.Sprintf(lmLoadFailed, m.Name))
	}
	if m.Broken {
		return nil, fmt.Sprintf(lmLoadFailed, m.Name)
	}
	l.mu.Lock()
	_, full := l.faults[MemoryNotFreed]
	full = full && l.leaked
	life := l.life
	l.mu.Unlock()
	if full {
		return nil, fmt.Sprintf(lmGuardrail, m.Name)
	}
	if _, on := l.on(LoadHangs, Loads); on && !l.hang(r.Context(), LoadHangs) {
		return nil, ""
	}
	if !l.outlast(life, m.LoadTime) {
		return nil, ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.life != life {
		return nil, ""
	}
	inst := &instance{id: l.freeID(m.Name), model: m, settings: settings}
	if ttl > 0 {
		inst.expires = time.Now().Add(ttl)
	}
	l.instances = append(slices.Clone(l.instances), inst)
	l.state(inst).ttl = ttl
	return inst, ""
}

// outlast waits whether the client is there or not; false means that the
// server's life ended meanwhile.
func (l *LMStudio) outlast(life int, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		l.mu.Lock()
		ended, changed := l.closed || l.life != life, l.changed
		l.mu.Unlock()
		if ended {
			return false
		}
		select {
		case <-timer.C:
			return true
		case <-changed:
		}
	}
}

// unload is POST /api/v1/models/unload.
func (l *LMStudio) unload(w http.ResponseWriter, body []byte) {
	in, ok := l.strict(w, body, "instance_id")
	if !ok {
		return
	}
	id, ok := required(w, in, "instance_id")
	if !ok {
		return
	}
	_, onlyWords := l.on(UnloadOnlyAcknowledged, Unloads)
	leaks := l.active(MemoryNotFreed)
	l.mu.Lock()
	at := slices.IndexFunc(l.instances, func(i *instance) bool { return i.id == id })
	if at >= 0 && !onlyWords {
		l.remove(l.instances[at])
		l.leaked = leaks
	}
	l.mu.Unlock()
	if at < 0 {
		lmError{Type: "model_not_found", Message: "Model with instance identifier '" + id + "' is not loaded."}.write(w, http.StatusNotFound)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"instance_id": id})
}

// lmJob is a download. Each look at it finds it a quarter further.
type lmJob struct {
	model   Model
	looks   int
	started time.Time
}

// download is POST /api/v1/models/download.
func (l *LMStudio) download(w http.ResponseWriter, body []byte) {
	in, ok := l.strict(w, body, "model", "quantization")
	if !ok {
		return
	}
	name, ok := required(w, in, "model")
	if !ok {
		return
	}
	url := strings.HasPrefix(name, "https://huggingface.co/")
	name = strings.TrimPrefix(name, "https://huggingface.co/")
	switch _, quantized := in["quantization"]; {
	case quantized && !url:
		lmError{"invalid_request", "quantization is only supported for Hugging Face links", "invalid_value", "quantization"}.write(w, http.StatusBadRequest)
		return
	case strings.ContainsAny(name, " _:@"):
		lmError{"invalid_request", "Invalid artifact name. Must be in kebab-case", "invalid_value", "model"}.write(w, http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, there := findModel(l.models, l.sameName, name); there {
		writeJSON(w, http.StatusOK, map[string]string{"status": "already_downloaded"})
		return
	}
	job := &lmJob{model: Model{Name: name}, started: time.Now()}
	id := "job_" + strconv.Itoa(len(l.jobs)+1)
	l.jobs[id] = job
	writeJSON(w, http.StatusOK, map[string]any{
		"job_id": id, "status": "downloading", "total_size_bytes": job.model.size(), "started_at": job.started,
	})
}

// downloadStatus is GET /api/v1/models/download/status/JOB.
func (l *LMStudio) downloadStatus(w http.ResponseWriter, c LMStudioSettings, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	job, ok := l.jobs[id]
	if !ok || c.DownloadLost {
		lmError{Type: "job_not_found", Message: "Download job with id '" + id + "' not found"}.write(w, http.StatusNotFound)
		return
	}
	job.looks = min(job.looks+1, 4)
	out := map[string]any{
		"job_id": id, "status": "downloading", "total_size_bytes": job.model.size(),
		"downloaded_bytes": job.model.size() / 4 * int64(job.looks), "started_at": job.started,
	}
	switch {
	case c.DownloadFails && job.looks > 1:
		out["status"] = "failed"
	case job.looks == 2:
		out["status"] = "paused"
	case job.looks == 4:
		out["status"], out["completed_at"] = "completed", time.Now()
		if _, there := findModel(l.models, l.sameName, job.model.Name); !there {
			l.models = append(slices.Clone(l.models), job.model)
		}
	default:
		out["bytes_per_second"] = 1 << 20
	}
	writeJSON(w, http.StatusOK, out)
}
