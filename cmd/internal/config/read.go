package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
)

// The keys that the reader accepts in each group.
var (
	rootKeys      = rootGroup.names()
	nodeKeys      = nodeGroup.names()
	healerKeys    = healerGroup.names()
	canaryKeys    = canaryGroup.names()
	benchmarkKeys = benchmarkGroup.names()
	questionKeys  = questionGroup.names()
	backoffKeys   = backoffGroup.names()
	historyKeys   = historyGroup.names()
	arenaKeys     = arenaGroup.names()
	weightKeys    = weightGroup.names()
	candidateKeys = candidateGroup.names()
	alertKeys     = alertGroup.names()
	gatewayKeys   = gatewayGroup.names()
	queueKeys     = queueGroup.names()
	clientKeys    = clientGroup.names()
)

// groups say where a key that stands at the wrong place belongs.
var groups = []struct {
	name string
	keys []string
}{
	{"the top of the file", rootKeys}, {"a node", nodeKeys}, {"healer", healerKeys}, {"arena", arenaKeys},
	{"history", historyKeys}, {"healer.mini_benchmark", benchmarkKeys}, {"healer.backoff", backoffKeys},
	{"arena.weights", weightKeys}, {"gateway", gatewayKeys}, {"gateway.queue", queueKeys},
	{"a key of gateway.keys_file", clientKeys},
}

// otherNames are what other programs call our keys.
var otherNames = map[string]string{
	"host": "url", "address": "url", "base_url": "url", "endpoint": "url", "type": "engine", "kind": "engine",
	"key": "api_key", "token": "api_key", "password": "api_key", "models": "model", "options": "load", "servers": "nodes",
	"question": "prompt", "answer": "expect", "expected": "expect", "notifications": "alerts", "notify": "alerts",
	"api_key": "key", "secret": "key", "keys": "keys_file", "api_keys": "keys_file", "roles": "models", "strict": "strict_models",
	"port": "listen", "concurrency": "at_once", "rate": "per_minute", "rpm": "per_minute", "stall": "between_tokens",
}

func (r *reader) config(root value, c *Config) {
	m, ok := root.mapping(rootKeys)
	if !ok {
		return
	}
	if v, ok := m.need("nodes", "list at least one: nodes: [{name: M1, engine: lmstudio, url: http://host:1234, model: …}]"); ok {
		c.Nodes = r.nodes(v)
	}
	if v, ok := m.get("fallback"); ok {
		c.Fallback = r.fallback(v, c.Nodes)
	}
	if v, ok := m.get("healer"); ok {
		r.healer(v, &c.Healer)
	}
	if v, ok := m.get("history"); ok {
		r.history(v, &c.History)
	}
	if v, ok := m.get("arena"); ok {
		r.arena(v, &c.Arena, c.Nodes)
	}
	if v, ok := m.fields["gateway"]; ok {
		r.gateway(v, c)
	}
	if v, ok := m.get("alerts"); ok {
		c.Alerts = r.alerts(v)
	}
}

func (r *reader) nodes(v value) []Node {
	items, ok := v.list("begin each node with a dash: - name: M1")
	if !ok {
		return nil
	}
	if len(items) == 0 {
		v.mistake("no node in it", "list at least one")
	}
	var list []Node
	names := map[string]Position{}
	for _, item := range items {
		m, ok := item.mapping(nodeKeys)
		if !ok {
			continue
		}
		n := r.node(m)
		if first, dup := names[n.Name]; dup {
			at := m.keys["name"]
			r.mistake(at, item.key+".name", fmt.Sprintf("another node, in line %d, is named %q too", first.Line, clip(n.Name)), "give each node a name of its own")
		} else if n.Name != "" {
			names[n.Name] = m.keys["name"]
		}
		list = append(list, n)
	}
	return list
}

var exampleURL = map[string]string{
	"lmstudio": "http://127.0.0.1:1234", "ollama": "http://127.0.0.1:11434", "llamacpp": "http://127.0.0.1:8080",
	"openai": "http://127.0.0.1:8000",
}

func (r *reader) node(m mapping) Node {
	n := Node{Timeout: 5 * time.Second, file: r.file, keys: m.keys}
	n.keys[""] = m.at
	if v, ok := m.need("name", "give the node a name: name: M1"); ok {
		n.Name, _ = v.words("a name")
	}
	if v, ok := m.need("engine", "give it: engine: "+strings.Join(engineNames(), " | ")); ok {
		n.Engine, _ = v.oneOf(engineNames())
	}
	if n.Engine == "ollama" {
		n.Timeout = 3 * time.Second
	}
	example := exampleURL[n.Engine]
	if example == "" {
		example = exampleURL["lmstudio"]
	}
	if v, ok := m.need("url", "give the server's address: url: "+example); ok {
		n.URL = r.nodeURL(v, n.Engine, example)
	}
	n.Key = m.secret("api_key")
	if v, ok := m.get("timeout"); ok {
		n.Timeout = orZero(v.duration(shortest))
	}
	if v, ok := m.get("load_timeout"); ok {
		n.LoadTimeout = orZero(v.duration(shortest))
	}
	if v, ok := m.get("restart_timeout"); ok {
		n.RestartTimeout = orZero(v.duration(shortest))
	}
	if v, ok := m.need("model", "name the model it should serve, as the engine lists it"); ok {
		n.Model.Name, _ = v.words("a model's name")
	}
	if v, ok := m.get("load"); ok {
		n.Model.Settings = r.load(v, n.Engine)
	}
	if v, ok := m.get("memory"); ok {
		n.Memory = orZero(v.size())
	}
	if v, ok := m.get("on_demand"); ok {
		n.OnDemand = orZero(v.boolean())
	}
	if v, ok := m.get("restart"); ok {
		n.Restart = r.command(v)
	}
	return n
}

func orZero[T any](v T, ok bool) T {
	if !ok {
		var zero T
		return zero
	}
	return v
}

// nodeURL refuses the path that belongs to the API, not to the server.
func (r *reader) nodeURL(v value, engine, example string) string {
	address, ok := v.address(example)
	if !ok {
		return ""
	}
	for _, path := range []string{"/v1", "/api", "/api/v1", "/api/v0"} {
		if strings.HasSuffix(address, path) && engine != "openai" {
			v.mistake(fmt.Sprintf("it ends in %s, which is added for each request", path), "leave that out: "+example)
			return ""
		}
	}
	return address
}

// load reads load settings and checks their names against the engine's.
func (r *reader) load(v value, engine string) nodes.Settings {
	known, ok := loadKeys(engine)
	if !ok {
		known = nil // the engine's own mistake is noted already
	} else if len(known) == 0 {
		v.mistake("a server of engine "+engine+" can't be told how to load a model", "remove load, and set it on the server")
		return nil
	}
	m, ok := v.mapping(known)
	if !ok {
		return nil
	}
	settings := nodes.Settings{}
	for name, field := range m.fields {
		if field.empty() {
			field.mistake("empty", "give it a value, or remove the line")
			continue
		}
		if s, ok := field.setting(); ok {
			settings[name] = s
		}
	}
	return settings
}

// command reads a program and its arguments.
func (r *reader) command(v value) []string {
	const fix = "write program and arguments as a list: [ssh, m1, systemctl, restart, lmstudio]; it runs without a shell"
	items, ok := v.list(fix)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		v.mistake("no program in it", fix)
	}
	var args []string
	for i, item := range items {
		arg, ok := item.raw("a text", fix)
		switch {
		case !ok:
			return nil
		case variable.MatchString(arg):
			item.mistake("variables are not filled in here: a command that fails is printed", "let the command read the variable itself")
			return nil
		case i == 0 && strings.TrimSpace(arg) == "":
			item.mistake("empty", fix)
			return nil
		}
		args = append(args, arg)
	}
	return args
}

func (r *reader) fallback(v value, list []Node) []string {
	items, ok := v.list("write the nodes' names in the order that takes traffic: [M1, M2]")
	if !ok {
		return nil
	}
	if len(items) == 0 {
		v.mistake("no node in it", "name at least one, or remove the line for the order of the nodes")
	}
	names := nodeNames(list)
	var order []string
	for _, item := range items {
		name, ok := item.words("a node's name")
		switch {
		case !ok:
		case slices.Contains(order, name):
			item.mistake(fmt.Sprintf("%q is named twice", item.quotable(name)), "name each node once")
		case len(names) == 0: // that there is no node is told already
		case !slices.Contains(names, name):
			item.mistake(fmt.Sprintf("no node is named %q", item.quotable(name)), didYouMean(name, names))
		default:
			order = append(order, name)
		}
	}
	return order
}

// nodeNames lists each name once.
func nodeNames(list []Node) []string {
	var names []string
	for _, n := range list {
		if n.Name != "" && !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
	}
	return names
}

func (r *reader) history(v value, h *History) {
	m, ok := v.mapping(historyKeys)
	if !ok {
		return
	}
	if v, ok := m.get("path"); ok {
		h.Path = orZero(v.path())
	}
	if v, ok := m.get("keep"); ok {
		h.Keep = orZero(v.integer(1))
	}
}

func (r *reader) alerts(v value) []Alert {
	items, ok := v.list("begin each service with a dash: - url: ${JARVIS_TELEGRAM}")
	if !ok {
		return nil
	}
	var list []Alert
	for _, item := range items {
		m, ok := item.mapping(alertKeys)
		if !ok {
			continue
		}
		a := Alert{}
		if v, ok := m.need("url", "give the service's address from the environment: url: ${JARVIS_TELEGRAM}"); ok {
			a.Where = fmt.Sprintf("%s:%d:%d", r.file, v.at.Line, v.at.Column)
			if secret, ok := v.secret(); ok {
				a.URL = secret
				if !strings.Contains(secret.Reveal(), "://") {
					v.mistake("no service's address", "it looks like telegram://TOKEN@telegram?chats=ID")
				}
			}
		}
		if v, ok := m.get("events"); ok {
			a.Events = r.events(v)
		}
		list = append(list, a)
	}
	return list
}

func (r *reader) events(v value) []healer.EventType {
	items, ok := v.list("write the events' names: [offline, critical, healed]")
	if !ok {
		return nil
	}
	if len(items) == 0 {
		v.mistake("no event in it", "name some, or remove the line for the usual ones")
	}
	var names []string
	for _, t := range healer.EventTypes() {
		names = append(names, string(t))
	}
	var list []healer.EventType
	for _, item := range items {
		if name, ok := item.oneOf(names); ok {
			list = append(list, healer.EventType(name))
		}
	}
	return list
}
