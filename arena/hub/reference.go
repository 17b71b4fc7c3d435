package hub

import (
	"fmt"
	"net/url"
	"strings"
)

// The names of the engines that download models.
const (
	ollama   = "ollama"
	lmstudio = "lmstudio"
	llamacpp = "llamacpp"
)

// takesSplit reports whether an engine downloads a split model from the hub.
func takesSplit(engine string) bool { return engine != ollama }

// Reference is a user's name for a model.
type Reference struct {
	// Repository is the model's repository on the hub, "" for a name of the
	// engine's own catalogue.
	Repository string
	// Quantization is the one that the user named, "" means the best.
	Quantization string
	// Name is the name as written.
	Name string
}

// ParseReference parses a user's name for a model:
//
//   - https://huggingface.co/author/name, hf.co/author/name, each with
//     ":QUANTIZATION" or "@QUANTIZATION" after it: a repository on the hub
//   - author/name-GGUF, author/name:QUANTIZATION: the same
//   - author/name: on the hub where the engine is llama.cpp, which has no
//     catalogue of its own; else a name of the engine's catalogue
//   - anything else: a name of the engine's catalogue
//
// The error is for an address that is no model's, and for an unknown
// quantization of a repository.
func ParseReference(engine, text string) (Reference, error) {
	text = strings.TrimSpace(text)
	r := Reference{Name: text}
	if text == "" {
		return r, fmt.Errorf("hub: no model is named")
	}
	rest, onHub, err := withoutHost(text)
	if err != nil {
		return r, err
	}
	name, quantization := rest, ""
	if at := strings.LastIndexAny(rest, ":@"); at > strings.LastIndexByte(rest, '/') {
		name, quantization = rest[:at], rest[at+1:]
	}
	if onHub {
		return r.onHub(name, quantization)
	}
	known := quantizationOf(quantization)
	bare := quantization == "" && (strings.HasSuffix(strings.ToLower(name), "gguf") || engine == llamacpp)
	if checkRepository(name) == nil && (known != "" || bare) {
		r.Repository, r.Quantization = name, known
	}
	return r, nil
}

// withoutHost returns a name without the hub's address in front of it, and
// whether there was one.
func withoutHost(text string) (rest string, onHub bool, err error) {
	rest = text
	if strings.Contains(rest, "://") {
		u, err := url.Parse(rest)
		if err != nil || !hubHost(u.Hostname()) || u.Scheme != "http" && u.Scheme != "https" {
			return "", false, fmt.Errorf("hub: %q is no model on huggingface.co", text)
		}
		rest = u.Hostname() + u.Path
	}
	if host, path, ok := strings.Cut(rest, "/"); ok && hubHost(host) {
		return path, true, nil
	}
	return rest, false, nil
}

// onHub completes a reference to a repository on the hub. The address of a page
// inside a repository means the repository.
func (r Reference) onHub(name, quantization string) (Reference, error) {
	if parts := strings.Split(strings.Trim(name, "/"), "/"); len(parts) > 2 {
		if parts[2] == "blob" || parts[2] == "resolve" {
			quantization = Quantization(parts[len(parts)-1])
		}
		name = parts[0] + "/" + parts[1]
	}
	name = strings.Trim(name, "/")
	if err := checkRepository(name); err != nil {
		return r, err
	}
	known := quantizationOf(quantization)
	if quantization != "" && known == "" {
		return r, fmt.Errorf("hub: %q is no quantization: write one such as Q4_K_M", quantization)
	}
	r.Repository, r.Quantization = name, known
	return r, nil
}

// hubHost reports whether a host is the hub's.
func hubHost(host string) bool {
	switch strings.ToLower(host) {
	case "huggingface.co", "www.huggingface.co", "hf.co":
		return true
	}
	return false
}

// quantizationOf returns a text that is a quantization and nothing else, in
// capitals; "" for any other.
func quantizationOf(text string) string {
	if q := Quantization(text); q != "" && (strings.EqualFold(q, text) || strings.EqualFold("FP"+q[1:], text)) {
		return q
	}
	return ""
}

// EngineName returns an engine's name for a file of a repository in a download.
// The error is for an engine that can't download the file.
func EngineName(engine, repository string, f File) (string, error) {
	if err := checkRepository(repository); err != nil {
		return "", err
	}
	tag := f.Quantization
	switch engine {
	case ollama:
		if f.Split() {
			return "", fmt.Errorf("hub: %s of %s comes in %d files, and Ollama takes only single ones from the hub: choose another quantization or repository", tag, repository, len(f.Paths))
		}
		return join("hf.co/"+repository, ":", tag), nil
	case lmstudio:
		return join(DefaultURL+"/"+repository, "@", tag), nil
	case llamacpp:
		return join(repository, ":", tag), nil
	}
	return "", fmt.Errorf("hub: the engine %q downloads no models: put %s of %s on the node by hand", engine, strings.Join(f.Paths, ", "), repository)
}

func join(name, by, tag string) string {
	if tag == "" {
		return name
	}
	return name + by + tag
}
