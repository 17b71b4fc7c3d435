package config

import (
	"fmt"
	"strings"
)

// setting describes a key of the file.
type setting struct {
	name string
	// kind is the type of its value.
	kind string
	// value is the default, as it would be written; "" if there is none to
	// write, and required if the key must be given.
	value string
	// text says in one line what it sets.
	text string
}

// required marks a key that must be given.
const required = "required"

// settingGroup is a group of keys. Its names are what the reader accepts.
type settingGroup struct {
	// name is the group as the reader calls it in a mistake, "" for the top of
	// the file.
	name     string
	text     string
	settings []setting
}

// names are the keys in the order of the documentation.
func (g settingGroup) names() []string {
	list := make([]string, len(g.settings))
	for i, s := range g.settings {
		list[i] = s.name
	}
	return list
}

// The kinds of values.
const (
	kindText     = "text"
	kindNumber   = "number"
	kindCount    = "whole number"
	kindDuration = "duration"
	kindSize     = "size"
	kindFlag     = "true or false"
	kindPath     = "path"
	kindPathOff  = "path, or off"
	kindAddress  = "address, or off"
	kindLimit    = "duration, or auto"
	kindGroup    = "group"
	kindList     = "list"
)

// The groups of keys, in the order of the documentation.
var (
	rootGroup = settingGroup{"", "", []setting{
		{"nodes", kindList, required, "the servers, see [nodes](#nodes)"},
		{"fallback", "list of names", "", "the order in which the nodes take the traffic (default: that of `nodes`)"},
		{"healer", kindGroup, "", "the watchdog, see [healer](#healer)"},
		{"history", kindGroup, "", "where runs are kept, see [history](#history)"},
		{"arena", kindGroup, "", "tournaments, see [arena](#arena)"},
		{"gateway", kindGroup, "", "the one address for all clients, see [gateway](#gateway); `{}` turns it on with all defaults"},
		{"alerts", kindList, "", "services that are told what happens, see [alerts](#alerts)"},
	}}
	nodeGroup = settingGroup{"nodes", "One server of the list.", []setting{
		{"name", kindText, required, "the node's name, unique"},
		{"engine", "one of lmstudio, ollama, llamacpp, openai", required, "the server's API; `openai` is any server with an OpenAI-compatible one"},
		{"url", "URL", required, "the server's address, without the path of the API"},
		{"api_key", kindText, "", "the server's key, best as `${VARIABLE}`"},
		{"api_key_file", kindPath, "", "a file with the server's key"},
		{"timeout", kindDuration, "5s", "limit of one probe (3s for `ollama`)"},
		{"model", kindText, required, "the model that it should serve, as the engine lists it"},
		{"load", kindGroup, "", "the engine's own load settings of the model"},
		{"memory", kindSize, "", "the node's memory; a model that is larger is refused (default: unknown)"},
		{"on_demand", kindFlag, "false", "true: it is no fault if nothing is loaded"},
		{"load_timeout", kindDuration, "", "limit of a load (default: 2 min and 20 s for each GiB of the model)"},
		{"restart", "list of words", "", "the command that restarts the server, run without a shell"},
		{"restart_timeout", kindDuration, "2m", "limit of that command"},
	}}
	healerGroup = settingGroup{"healer", "The watchdog.", []setting{
		{"interval", kindDuration, "60s", "pause between two probes of a node"},
		{"retry_after", kindDuration, "5s", "pause between a failed check and the one that confirms it"},
		{"grace", kindDuration, "10s", "limit of requests under way before a repair"},
		{"canary", kindGroup, "", "the question of one token, see [healer.canary](#healercanary)"},
		{"mini_benchmark", kindGroup, "", "the questions after a repair, see [healer.mini_benchmark](#healermini_benchmark)"},
		{"max_attempts", kindCount, "3", "repairs of one incident until the node is given up on for now"},
		{"max_repairs", kindCount, "0", "nodes under repair at once; 0: one of every three, at least one"},
		{"drift", "one of restore, adopt", "restore", "what is done about another model that somebody loaded"},
		{"settle", kindDuration, "10m", "how long a verified node must stay healthy until its model is the last known good one"},
		{"backoff", kindGroup, "", "pauses between failed repairs, see [healer.backoff](#healerbackoff)"},
		{"restart_wait", kindDuration, "5m", "limit of the wait for a restarted server"},
		{"busy_limit", kindDuration, "10m", "how long a node may be busy without a token until it counts as wedged"},
		{"log", kindPathOff, DefaultLog, "the log of the events"},
		{"log_max_size", kindSize, "10MiB", "size at which the log is set aside; three old ones are kept"},
		{"state", kindPathOff, DefaultState, "last known good models and attempts, which survive a restart"},
		{"listen", kindAddress, DefaultListen, "the status API; another address than loopback needs a token"},
		{"listen_token", kindText, "", "the status API's token, best as `${VARIABLE}`"},
		{"listen_token_file", kindPath, "", "a file with that token"},
	}}
	canaryGroup = settingGroup{"healer.canary", "The question of one token that finds a server which answers probes and nothing else.", []setting{
		{"every", kindDuration, "5m", "how long a node may go without an answer before it is asked"},
		{"timeout", kindDuration, "30s", "limit of the wait for the first token"},
	}}
	benchmarkGroup = settingGroup{"healer.mini_benchmark", "The questions that verify a repair.", []setting{
		{"threshold", kindNumber, "0.66", "share of right answers that passes, above 0 and at most 1"},
		{"questions", kindList, "", "the questions, see [below](#healermini_benchmarkquestions) (default: three that every model answers)"},
		{"every", kindDuration, "30m", "pause between two rounds of questions in service; 0: only after repairs"},
		{"timeout", kindDuration, "60s", "limit of one question"},
	}}
	questionGroup = settingGroup{"healer.mini_benchmark.questions", "One question of the list.", []setting{
		{"prompt", kindText, required, "the question"},
		{"expect", kindText, required, "the right answer; case, accents and punctuation don't matter"},
	}}
	backoffGroup = settingGroup{"healer.backoff", "The pauses between failed repairs.", []setting{
		{"initial", kindDuration, "10s", "pause after the first failed repair; each later one is twice as long"},
		{"max", kindDuration, "5m", "the longest pause"},
	}}
	historyGroup = settingGroup{"history", "Where runs are kept.", []setting{
		{"path", kindPath, DefaultHistory, "a JSON file, or, if it ends in .db, .sqlite or .sqlite3, an SQLite database"},
		{"keep", kindCount, "500", "runs that are kept, or, in a database, looked at"},
	}}
	arenaGroup = settingGroup{"arena", "Tournaments.", []setting{
		{"node", "name of a node", "", "where they are held (default: the first of `fallback`)"},
		{"candidates", kindList, "", "the models of `jarvis-arena --all`, see [arena.candidates](#arenacandidates)"},
		{"suite", "builtin, or path", "builtin", "the tasks: a YAML or JSONL file, or those built in"},
		{"cycles", kindCount, "5", "how often each task is asked at most"},
		{"quick_cycles", kindCount, "2", "the same with `--quick`"},
		{"tasks_per_cycle", kindCount, "40", "tasks drawn for a tournament"},
		{"warmup", kindCount, "3", "least number of answers discarded after a load"},
		{"temperature", kindNumber, "0.2", "temperature of all questions, 0 to 2"},
		{"max_tokens", kindCount, "1024", "limit of an answer in tokens, thinking included"},
		{"timeout", kindDuration, "60s", "limit of one question"},
		{"weights", kindGroup, "", "weights of the composite score, see [arena.weights](#arenaweights)"},
		{"on_regression", "one of alert, confirm, tournament", "alert", "what is done about a regression: nothing but the alert, a second measurement, or that and a tournament"},
	}}
	candidateGroup = settingGroup{"arena.candidates", "One candidate of the list.", []setting{
		{"model", kindText, required, "the model, as the engine lists it"},
		{"load", kindGroup, "", "its load settings"},
	}}
	weightGroup = settingGroup{"arena.weights", "Weights of the composite score. They are divided by their sum; one that is left out is 0.", []setting{
		{"quality", kindNumber, "0.6", "of the share of right answers"},
		{"speed", kindNumber, "0.3", "of the latency"},
		{"reliability", kindNumber, "0.1", "of the share of requests that got an answer"},
	}}
	gatewayGroup = settingGroup{"gateway", "The one address for all clients. Without this group there is none.", []setting{
		{"listen", kindAddress, DefaultGateway, "its address; another than loopback needs `keys_file`"},
		{"keys_file", kindPath, "", "the clients' keys, see [gateway.keys_file](#gatewaykeys_file) (default: everybody on this machine is let in)"},
		{"origins", "list of origins", "", "web pages that may use the gateway, such as `https://chat.example`; `\"*\"` with `keys_file` alone allows all (default: none)"},
		{"policy", "one of fallback, least-busy, sticky", "fallback", "which node gets a request"},
		{"models", kindGroup, "", "names for clients: by role and node the model that answers"},
		{"strict_models", kindFlag, "false", "true: no other model stands in for one that is out"},
		{"per_node", kindCount, "0", "requests that a node gets at once; 0: no limit"},
		{"again", kindCount, "0", "how often a node that fails is tried again before the others"},
		{"queue", kindGroup, "", "requests that wait for a node, see [gateway.queue](#gatewayqueue)"},
		{"first_token", kindLimit, "auto", "wait for the first token until another node is asked as well; auto: by the node's latencies"},
		{"answer", kindLimit, "auto", "the same for an answer in one piece"},
		{"between_tokens", kindLimit, "auto", "the same between two tokens of a stream"},
		{"slow_start", "duration, or off", "30s", "time until a node that was healed has its full share of new conversations"},
		{"restart_streams", kindFlag, "false", "true: a stream that can't be continued on another node begins anew"},
		{"client_settings", "one of keep, drop", "drop", "drop: what a client sends to Ollama's API that would reload or unload the model (`num_ctx`, `keep_alive`) is taken out"},
		{"max_body", kindSize, "64MiB", "the largest request"},
		{"metrics", kindFlag, "true", "Prometheus metrics at /metrics of the gateway's address"},
	}}
	queueGroup = settingGroup{"gateway.queue", "Requests that wait for a node.", []setting{
		{"size", kindCount, "1024", "requests that wait at most; 0: none waits"},
		{"wait", kindDuration, "30s", "longest wait"},
	}}
	clientGroup = settingGroup{"gateway.keys_file", "One client of the list in that file.", []setting{
		{"name", kindText, required, "whose key it is"},
		{"key", kindText, required, "the key, at least 16 characters, best as `${VARIABLE}`"},
		{"at_once", kindCount, "", "requests under way at once (default: no limit)"},
		{"per_minute", kindCount, "", "requests a minute (default: no limit)"},
	}}
	alertGroup = settingGroup{"alerts", "One service of the list.", []setting{
		{"url", kindText, required, "the service's address of the shoutrrr library, best as `${VARIABLE}`"},
		{"events", "list of event types", "", "the events that are told (default: critical, offline, misconfigured, degraded, regression, rollback, healed, promoted)"},
	}}
)

// settingGroups are all groups, in the order of the documentation.
var settingGroups = []settingGroup{
	rootGroup, nodeGroup, healerGroup, canaryGroup, benchmarkGroup, questionGroup, backoffGroup, historyGroup,
	arenaGroup, candidateGroup, weightGroup, gatewayGroup, queueGroup, clientGroup, alertGroup,
}

// Reference returns the reference of all keys as Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Settings

All keys of ` + "`" + FileName + "`" + `. The file is looked for in the current folder and then in ` + "`jarvis/`" + ` in
the user's configuration folder, unless ` + "`--config`" + ` names it. Relative paths start at the file's folder.
A duration is written as 30s, 5m or 1h30m, a size as 64MiB or 24GiB. ` + "`${NAME}`" + ` is replaced by an
environment variable, ` + "`${NAME:-TEXT}`" + ` by TEXT if it is not set.

This page is made from the code that reads the file.
`)
	for _, g := range settingGroups {
		if g.name != "" {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n", g.name, g.text)
		}
		b.WriteString("\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n")
		for _, s := range g.settings {
			value := s.value
			if value != "" && value != required {
				value = "`" + value + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.name, s.kind, value, s.text)
		}
	}
	return b.String()
}
