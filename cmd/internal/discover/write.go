package discover

import (
	"fmt"
	"strconv"
	"strings"
)

// YAML writes a commented config of what was found.
func YAML(found []Found) []byte {
	var b strings.Builder
	b.WriteString(head)
	for _, f := range found {
		fmt.Fprintf(&b, "  - name: %s\n    engine: %s\n    url: %s\n", f.Name, f.Engine, f.URL)
		switch {
		case f.NeedsKey:
			fmt.Fprintf(&b, "    api_key: ${%s_KEY}        # it asks for a key; or api_key_file: PATH\n", variableOf(f.Name))
			b.WriteString("    model: CHANGE-ME                   # as the server lists it\n")
		case f.Model() == "":
			b.WriteString("    # api_key: ${NAME}                 # or api_key_file: PATH\n")
			b.WriteString("    model: CHANGE-ME                   # no model is there yet\n")
		default:
			b.WriteString("    # api_key: ${NAME}                 # or api_key_file: PATH\n")
			fmt.Fprintf(&b, "    model: %s\n", scalar(f.Model()))
			if others := otherModels(f); others != "" {
				fmt.Fprintf(&b, "    # also there: %s\n", others)
			}
		}
		b.WriteString(perEngine[f.Engine])
	}
	b.WriteString(tail)
	return []byte(b.String())
}

const head = `# The cluster that Jarvis keeps serving. Read by jarvis-heal and jarvis-arena.
# ${NAME} is filled in from the environment; $${NAME} stays as it is.
# "jarvis-heal check" says what is wrong with it, and where.

nodes:
`

var perEngine = map[string]string{
	"lmstudio": `    # load: {context_length: 8192, flash_attention: true}
    # memory: 24GiB                    # what models may take: larger ones are refused
    # restart: [ssh, HOST, systemctl, restart, lmstudio]   # run without a shell
`,
	"ollama": `    # load: {num_ctx: 8192}
    # on_demand: true                  # nothing loaded is no fault
    # memory: 24GiB                    # what models may take: larger ones are refused
    # restart: [sudo, systemctl, restart, ollama]          # run without a shell
`,
	"llamacpp": `    # restart: [sudo, systemctl, restart, llama-server]    # run without a shell
`,
	"openai": `    # restart: [sudo, systemctl, restart, vllm]            # run without a shell
`,
}

const tail = `
# fallback: [M1, M2]                   # who takes the traffic first; default: the order above

# healer:
#   interval: 60s                      # from one probe to the next
#   retry_after: 5s                    # a failed probe is confirmed by another one
#   grace: 10s                         # for requests under way, before a repair
#   canary: {every: 5m, timeout: 30s}  # a real question, where no answer came through since
#   mini_benchmark:
#     threshold: 0.66                  # the share of right answers that passes
#     questions:
#       - {prompt: "What is the capital of France? Answer with one word.", expect: "Paris"}
#   max_attempts: 3
#   drift: restore                     # or adopt: keep another model that somebody loaded
#   log: jarvis_healer.log             # paths start at this file
#   state: jarvis_state.json           # last known good models: survives a restart
#   listen: 127.0.0.1:7070             # status API; other addresses need listen_token: ${NAME}

# gateway:                             # one address for all clients, who lose no request
#   listen: 127.0.0.1:7071             # other addresses need keys_file: jarvis_keys.yaml
#   policy: fallback                   # or least-busy, or sticky: a conversation stays on its node
#   models:
#     fast: {M1: MODEL, M2: MODEL}     # a name for clients: the model that answers on each node

# alerts:                              # try them with "jarvis-heal notify-test"
#   - url: ${JARVIS_TELEGRAM}          # telegram://TOKEN@telegram?chats=ID, or any URL of shoutrrr
#     events: [critical, offline, misconfigured, rollback, healed]

# history: {path: jarvis_benchmark_history.json, keep: 500}

# arena:
#   candidates:
#     - {model: ANOTHER-MODEL}
`

// otherModels lists a few more models, "" if there is none.
func otherModels(f Found) string {
	const most = 8
	var others []string
	for _, m := range append(f.Loaded, f.OnDisk...) {
		if m != f.Model() && !contains(others, m) {
			others = append(others, oneLine(m))
		}
	}
	if len(others) > most {
		return strings.Join(others[:most], ", ") + fmt.Sprintf(" and %d more", len(others)-most)
	}
	return strings.Join(others, ", ")
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func oneLine(s string) string { return strings.Trim(strconv.Quote(s), `"`) }

// scalar writes a server's word as one YAML value, whatever it holds.
func scalar(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._/-:@+", r))
	}) < 0 && !strings.HasSuffix(s, ":") && strings.IndexFunc(s[:1], func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }) == 0 && !keyword(s) {
		return s
	}
	return strings.ReplaceAll(strconv.Quote(s), "${", "$${")
}

func keyword(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off":
		return true
	}
	return false
}

// variableOf makes a variable's name of a node's: "lmstudio-2" is LMSTUDIO_2.
func variableOf(name string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name))
}
