package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/cmd/internal/docfile"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/route"
)

// TestReference compares docs/settings.md with the tables that the reader uses;
// -update rewrites it.
func TestReference(t *testing.T) {
	docfile.File(t, filepath.Join("..", "..", "..", "docs", "settings.md"), Reference())
}

// TestEverySettingIsDescribed: in one line, without a mark that ends a cell.
func TestEverySettingIsDescribed(t *testing.T) {
	for _, g := range settingGroups {
		for _, s := range g.settings {
			if s.kind == "" || s.text == "" || strings.ContainsAny(s.kind+s.value+s.text, "|\n") {
				t.Errorf("%s.%s: %+v", g.name, s.name, s)
			}
		}
	}
}

// TestDefaultsAreTold: a key that is written with the default that the reference tells
// changes nothing.
func TestDefaultsAreTold(t *testing.T) {
	const node = "nodes: [{name: M1, engine: lmstudio, url: 'http://10.5.0.2:1234', model: good%s}]\n"
	dir := t.TempDir()
	read := func(text string) *Config {
		t.Helper()
		c, err := parse(filepath.Join(dir, FileName), []byte(text), environment)
		if err != nil {
			t.Fatalf("%v\nin\n%s", err, text)
		}
		for i := range c.Nodes {
			c.Nodes[i].keys = nil
		}
		return c
	}
	for _, g := range settingGroups {
		if g.name == "gateway.keys_file" {
			continue
		}
		for _, s := range g.settings {
			if s.value == "" || s.value == required {
				continue
			}
			one, without := fmt.Sprintf("%s: %s", s.name, s.value), ""
			for _, name := range strings.Split(g.name, ".") {
				if name == "gateway" { // which is turned on by being there
					without = "gateway: {}\n"
				}
			}
			text := fmt.Sprintf(node, "")
			switch {
			case g.name == "nodes":
				text = fmt.Sprintf(node, ", "+one)
			case g.name == "arena.weights": // one that is left out is 0
				text += "arena: {weights: {quality: 0.6, speed: 0.3, reliability: 0.1}}\n"
			default:
				groups := strings.Split(g.name, ".")
				for i := len(groups) - 1; i >= 0; i-- {
					one = fmt.Sprintf("%s: {%s}", groups[i], one)
				}
				text += one + "\n"
			}
			t.Run(g.name+"."+s.name, func(t *testing.T) {
				got, want := read(text), read(fmt.Sprintf(node, "")+without)
				fill(got)
				fill(want)
				if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Node{}), cmp.Comparer(func(a, b nodes.Secret) bool { return a.Reveal() == b.Reveal() }),
					cmpopts.EquateApprox(0, 1e-9), cmpopts.IgnoreFields(gateway.Options{}, "Observer")); diff != "" {
					t.Errorf("%s is not the default (-without +with):\n%s", one, diff)
				}
			})
		}
	}
}

// fill writes the defaults of other packages, whose zero value means them.
func fill(c *Config) {
	o := &c.Gateway.Options
	for _, d := range []struct {
		zero bool
		set  func()
	}{
		{o.Policy == nil, func() { o.Policy, _ = route.PolicyByName("fallback") }},
		{o.Queue == 0, func() { o.Queue = 1024 }},
		{o.MaxBody == 0, func() { o.MaxBody = 64 << 20 }},
		{o.Wait == 0, func() { o.Wait = 30e9 }},
		{o.SlowStart == 0, func() { o.SlowStart = 30e9 }},
		{c.Nodes[0].RestartTimeout == 0, func() { c.Nodes[0].RestartTimeout = 120e9 }},
	} {
		if d.zero {
			d.set()
		}
	}
}
