// Package discover finds engines on the network and writes a config for them.
package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/engines"
)

// Variable names the addresses to look at instead of this machine's usual
// ones, parted by commas.
const Variable = "JARVIS_LOOK_AT"

// limit bounds the look at one address.
const limit = 8 * time.Second

// usual are the engines' own ports.
var usual = map[string]string{"1234": "lmstudio", "11434": "ollama", "8080": "llamacpp"}

// Addresses returns the addresses to probe: those of [Variable], else the
// engines' default ports on this machine and the address in OLLAMA_HOST.
func Addresses(env func(string) string) []string {
	if list := env(Variable); list != "" {
		var addresses []string
		for _, a := range strings.Split(list, ",") {
			if a = strings.TrimSpace(a); a != "" {
				addresses = append(addresses, Address(a))
			}
		}
		return addresses
	}
	addresses := []string{"http://127.0.0.1:1234", "http://127.0.0.1:11434", "http://127.0.0.1:8080"}
	if host := env("OLLAMA_HOST"); host != "" {
		u, err := url.Parse(Address(host))
		if err != nil || u.Hostname() == "" {
			return addresses
		}
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "11434")
		}
		if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() || u.Hostname() == "localhost" {
			u.Host = net.JoinHostPort("127.0.0.1", u.Port())
		}
		if a := u.Scheme + "://" + u.Host; !slices.Contains(addresses, a) {
			addresses = append(addresses, a)
		}
	}
	return addresses
}

// Address completes what somebody wrote as an address: "box:1234".
func Address(text string) string {
	if strings.Contains(text, "://") {
		return strings.TrimRight(text, "/")
	}
	return "http://" + strings.TrimRight(text, "/")
}

// Found is an engine that answered.
type Found struct {
	// Name is one for a node, unique among those found together.
	Name, URL string
	// Engine is its name in a config, Version its own, "" if untold.
	Engine, Version string
	// NeedsKey: it answers nobody without a key. Then Engine may be a guess by
	// its port, and nothing is known of its models.
	NeedsKey bool
	// Loaded and OnDisk are its models.
	Loaded, OnDisk []string
}

// String says what was found, in a line.
func (f Found) String() string {
	what := f.Engine
	if f.Version != "" {
		what += " " + f.Version
	}
	switch {
	case f.NeedsKey:
		return fmt.Sprintf("%s at %s, which asks for a key", what, f.URL)
	case len(f.Loaded) > 0:
		return fmt.Sprintf("%s at %s, serving %s", what, f.URL, strings.Join(f.Loaded, ", "))
	case len(f.OnDisk) > 0:
		return fmt.Sprintf("%s at %s, with no model loaded and %d on disk", what, f.URL, len(f.OnDisk))
	}
	return fmt.Sprintf("%s at %s, with no model", what, f.URL)
}

// Model is the model that a node there should serve, "" if there is none.
func (f Found) Model() string {
	if len(f.Loaded) > 0 {
		return f.Loaded[0]
	}
	if len(f.OnDisk) > 0 {
		return f.OnDisk[0]
	}
	return ""
}

// Look asks all addresses at once and returns those where an engine answered,
// in their order. It changes nothing there.
func Look(ctx context.Context, addresses []string) []Found {
	list := make([]*Found, len(addresses))
	var looks conc.WaitGroup
	for i, address := range addresses {
		looks.Go(func() { list[i] = look(ctx, address) })
	}
	looks.Wait()
	var found []Found
	names := map[string]int{}
	for _, f := range list {
		if f == nil {
			continue
		}
		f.Name = f.Engine
		if names[f.Engine]++; names[f.Engine] > 1 {
			f.Name = fmt.Sprintf("%s-%d", f.Engine, names[f.Engine])
		}
		found = append(found, *f)
	}
	return found
}

func look(ctx context.Context, address string) *Found {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	name, version, err := engines.Detect(ctx, address, nil)
	f := &Found{URL: address, Engine: name, Version: version}
	if errors.Is(err, nodes.Unauthorized) {
		f.NeedsKey = true
		if u, err := url.Parse(address); err == nil && f.Engine == "" {
			f.Engine = usual[u.Port()]
		}
		if f.Engine == "" {
			f.Engine = "openai"
		}
		return f
	}
	if err != nil {
		return nil
	}
	engine, ok := engines.Lookup(name)
	if !ok {
		return nil
	}
	backend, err := engine.New(nodes.Connection{Node: name, URL: address})
	if err != nil {
		return nil
	}
	s, err := backend.Probe(ctx)
	if err != nil {
		f.NeedsKey = errors.Is(err, nodes.Unauthorized)
		return f
	}
	for _, asleep := range []bool{false, true} { // the model in use comes first
		for _, inst := range s.Loaded {
			if inst.Sleeping == asleep && !slices.Contains(f.Loaded, inst.Model) {
				f.Loaded = append(f.Loaded, inst.Model)
			}
		}
	}
	for _, file := range s.OnDisk {
		f.OnDisk = append(f.OnDisk, file.Name)
	}
	return f
}

// Config makes a config that watches what was found and takes whatever is
// loaded there for right. Those that ask for a key are left out.
func Config(found []Found, dir string) *config.Config {
	c := config.Default(dir)
	for _, f := range found {
		if f.NeedsKey {
			continue
		}
		timeout := 5 * time.Second
		if f.Engine == "ollama" {
			timeout = 3 * time.Second
		}
		c.Nodes = append(c.Nodes, config.Node{Name: f.Name, Engine: f.Engine, URL: f.URL, Timeout: timeout})
	}
	return c
}
