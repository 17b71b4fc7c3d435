package config

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/route"
)

// auto is a limit that goes by the nodes' own latencies.
const auto = "auto"

// gateway reads the section of the gateway. One that is there turns it on, even
// when nothing is in it.
func (r *reader) gateway(v value, c *Config) {
	g := &c.Gateway
	g.Listen = DefaultGateway
	m := mapping{value: v}
	if !v.empty() {
		if n := v.resolved(); !isGroup(n) {
			v.wrongType(n, "a group of keys", "write gateway: {} for the usual one, or remove it for none")
			return
		}
		m, _ = v.mapping(gatewayKeys)
	}
	r.gatewayListen(m, c)
	if v, ok := m.get("keys_file"); ok {
		g.KeysFile, g.Keys = r.keysFile(v)
	}
	o := &g.Options
	if v, ok := m.get("origins"); ok {
		o.Origins = r.origins(v, m)
	}
	if v, ok := m.get("policy"); ok {
		if name, ok := v.oneOf(route.PolicyNames()); ok {
			o.Policy, _ = route.PolicyByName(name) // it is one of the names
		}
	}
	if v, ok := m.get("models"); ok {
		o.Roles = r.roles(v, c.Nodes)
	}
	for _, answer := range []struct {
		name string
		into *bool
	}{{"strict_models", &o.Strict}, {"restart_streams", &o.Restart}, {"metrics", &g.Metrics}} {
		if v, ok := m.get(answer.name); ok {
			*answer.into = orZero(v.boolean())
		}
	}
	if v, ok := m.get("client_settings"); ok {
		choice, _ := v.oneOf([]string{"keep", "drop"})
		o.KeepClientSettings = choice == "keep"
	}
	if v, ok := m.get("per_node"); ok {
		o.PerNode = orZero(v.integer(0))
	}
	if v, ok := m.get("again"); ok {
		o.Again = orZero(v.integer(0))
	}
	if v, ok := m.get("queue"); ok {
		r.queue(v, o)
	}
	r.limits(m, o)
	if v, ok := m.get("max_body"); ok {
		if size, ok := v.size(); ok && size < 1<<10 {
			v.mistake("too small", "give at least 1KiB")
		} else {
			o.MaxBody = size
		}
	}
}

// origins reads the origins of the pages that may use the gateway.
func (r *reader) origins(v value, group mapping) (list []string) {
	const fix = "write them as a browser does: [https://chat.example]"
	items, ok := v.list(fix)
	if !ok {
		return nil
	}
	_, keys := group.keys["keys_file"]
	for _, item := range items {
		origin, ok := item.words("an origin")
		switch {
		case !ok:
		case origin == gateway.AnyOrigin && !keys:
			item.mistake("every web page could ask the nodes", "add keys_file, or name the pages' origins")
		case origin != gateway.AnyOrigin && gateway.CheckOrigin(origin) != nil:
			item.mistake(fmt.Sprintf("%q is no origin", item.quotable(origin)), fix)
		default:
			list = append(list, origin)
		}
	}
	return list
}

// limits reads the time limits, each of which may be a word.
func (r *reader) limits(m mapping, o *gateway.Options) {
	for _, limit := range []struct {
		name string
		into *time.Duration
	}{{"first_token", &o.FirstToken}, {"answer", &o.Answer}, {"between_tokens", &o.Between}} {
		if v, ok := m.get(limit.name); ok && !v.is(auto) {
			*limit.into = orZero(v.duration(shortest))
		}
	}
	if v, ok := m.get("slow_start"); ok {
		if v.is(off) {
			o.SlowStart = route.NoSlowStart
		} else if o.SlowStart, ok = v.duration(0); ok && o.SlowStart == 0 {
			o.SlowStart = route.NoSlowStart // 0 is the default there
		}
	}
}

// is reports whether a value is one word.
func (v value) is(word string) bool {
	text, ok := v.resolved().(*ast.StringNode)
	return ok && strings.TrimSpace(text.Value) == word
}

func (r *reader) gatewayListen(m mapping, c *Config) {
	g := &c.Gateway
	v, given := m.get("listen")
	loopback := true
	if given {
		if v.is(off) {
			g.Listen = ""
			return
		}
		if g.Listen, loopback, given = v.listen(DefaultGateway); !given {
			return
		}
	} else {
		v = m.value
	}
	switch _, keys := m.keys["keys_file"]; {
	case !loopback && !keys && !m.meant["keys_file"]:
		v.mistake(fmt.Sprintf("%s can be reached from other machines, and there are no keys", v.quotable(g.Listen)),
			"add keys_file: jarvis_keys.yaml with a key for each client, or listen on "+DefaultGateway)
	case sameAddress(g.Listen, c.Healer.Listen):
		v.mistake("the status API listens there already (healer.listen)", "give one of the two another port")
	}
}

// sameAddress reports whether one of two addresses takes the other's port.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB {
		return false
	}
	all := func(host string) bool {
		ip := net.ParseIP(host)
		return host == "" || ip != nil && ip.IsUnspecified()
	}
	plain := func(host string) string {
		if host == "localhost" {
			return "127.0.0.1"
		}
		return host
	}
	return all(hostA) || all(hostB) || plain(hostA) == plain(hostB)
}

// roles reads the names that clients use in place of a model's.
func (r *reader) roles(v value, list []Node) map[string]map[string]string {
	group, ok := v.mapping(nil)
	if !ok {
		return nil
	}
	names := nodeNames(list)
	roles := map[string]map[string]string{}
	for name, field := range group.fields {
		at := field
		at.at = group.keys[name]
		switch {
		case strings.EqualFold(strings.TrimSpace(name), route.Auto):
			at.mistake(route.Auto+" is what every node serves, and needs no entry", "give the role another name")
			continue
		case strings.TrimSpace(name) != name || name == "":
			at.mistake("a role's name is empty, or begins or ends with a blank", "give it a name such as fast")
			continue
		case field.empty():
			at.mistake("no node in it", example(names, name))
			continue
		}
		if n := field.resolved(); !isGroup(n) {
			field.wrongType(n, "a model for each node", example(names, name))
			continue
		}
		nodes, _ := field.mapping(nil)
		if len(nodes.fields) == 0 {
			field.mistake("no node in it", example(names, name))
		}
		roles[name] = r.role(nodes, names)
	}
	return roles
}

func isGroup(n ast.Node) bool {
	_, ok := n.(*ast.MappingNode)
	return ok
}

func example(names []string, role string) string {
	return fmt.Sprintf("name the model that answers on each node: %s: {%s: MODEL}", clip(role), append(names, "M1")[0])
}

// role reads by node the model that answers there.
func (r *reader) role(m mapping, names []string) map[string]string {
	models := map[string]string{}
	for node, model := range m.fields {
		if len(names) > 0 && !slices.Contains(names, node) { // without, that is told already
			r.mistake(m.keys[node], m.key, fmt.Sprintf("no node is named %q", clip(node)), didYouMean(node, names))
			continue
		}
		if model.empty() {
			r.mistake(m.keys[node], model.key, "empty", "name the model, as the engine lists it")
			continue
		}
		models[node], _ = model.words("a model's name")
	}
	return models
}

func (r *reader) queue(v value, o *gateway.Options) {
	m, ok := v.mapping(queueKeys)
	if !ok {
		return
	}
	if v, ok := m.get("size"); ok {
		if size, ok := v.integer(0); ok {
			o.Queue = cmp.Or(size, route.NoQueue) // 0 is the default there
		}
	}
	m.durations([]durationKey{{"wait", &o.Wait, shortest}})
}
