package hub

import (
	"fmt"
	"net/url"
	"strings"
)

// The engines, by their names in the config.
const (
	ollama   = "ollama"
	lmstudio = "lmstudio"
	llamacpp = "llamacpp"
)

// takesSplit reports whether an engine takes a model in several files from the
// hub. Ollama doesn't.
func takesSplit(engine string) bool { return engine != ollama }

// Reference is a model's name as somebody wrote it.
type Reference struct {
	// Repository is the one on the hub, "" for a name of the engine's own
	// catalogue.
	Repository string
	// Quantization is the one that was asked for, "" for the best.
	Quantization string
	// Name is what was written.
	Name string
}

// ParseReference reads what a user calls a model:
//
//   - https://huggingface.co/author/name, hf.co/author/name, each with
//     ":QUANTIZATION" or "@QUANTIZATION" after it: a repository on the hub
//   - author/name-GGUF, author/name:QUANTIZATION: the same
//   - author/name: on the hub where the engine is llama.cpp, which has no
//     catalogue of its own; else a name of the engine's catalogue
//   - anything else: a name of the engine's catalogue
//
// The error is that of an address that is no model's.
func ParseReference(engine, text string) (Reference, error) {
	text = strings.TrimSpace(text)
	r := Reference{Name: text}
	if text == "" {
		return r, fmt.Errorf("hub: no model is named")
	}
	rest, onHub := text, false
	if strings.Contains(rest, "://") {
		u, err := url.Parse(rest)
		if err != nil || !hubHost(u.Hostname()) || u.Scheme != "http" && u.Scheme != "https" {
			return r, fmt.Errorf("hub: %q is no model on huggingface.co", text)
		}
		rest = u.Hostname() + u.Path
	}
	if host, path, ok := strings.Cut(rest, "/"); ok && hubHost(host) {
		rest, onHub = path, true
	}
	name, quantization := rest, ""
	if at := strings.LastIndexAny(rest, ":@"); at > strings.LastIndexByte(rest, '/') {
		name, quantization = rest[:at], rest[at+1:]
	}
	if onHub {
		// The address of a page inside a repository means the repository.
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
	}
	known := quantizationOf(quantization)
	switch {
	case onHub && quantization != "" && known == "":
		return r, fmt.Errorf("hub: %q is no quantization: write one such as Q4_K_M", quantization)
	case onHub,
		checkRepository(name) == nil && (known != "" || quantization == "" && (strings.HasSuffix(strings.ToLower(name), "gguf") || engine == llamacpp)):
		r.Repository, r.Quantization = name, known
	}
	return r, nil
}

func hubHost(host string) bool {
	switch strings.ToLower(host) {
	case "huggingface.co", "www.huggingface.co", "hf.co":
		return true
	}
	return false
}

// quantizationOf is a text that is a quantization and nothing else, in capitals.
func quantizationOf(text string) string {
	if q := Quantization(text); q != "" && (strings.EqualFold(q, text) || strings.EqualFold("FP"+q[1:], text)) {
		return q
	}
	return ""
}

// EngineName returns what an engine calls a file of a repository when it
// downloads it. The error is for an engine that can't download it.
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
