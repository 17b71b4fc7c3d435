package lmstudio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// errEffort is the cause of an error if the server refuses a value of "reasoning".
var errEffort = errors.New("the model's thinking cannot be set")

// errNoJSON is the cause of an error if an event is not JSON.
var errNoJSON = errors.New("not JSON")

// maxEvent is the longest line of a stream, in bytes. The last event repeats the
// whole answer.
const maxEvent = 8 << 20

// nativeResult is the answer to /api/v1/chat and the last event of its stream.
type nativeResult struct {
	ModelInstanceID string          `json:"model_instance_id"`
	Output          *[]nativeOutput `json:"output"`
	Stats           struct {
		InputTokens       float64 `json:"input_tokens"`
		TotalOutputTokens float64 `json:"total_output_tokens"`
		TimeToFirstToken  float64 `json:"time_to_first_token_seconds"`
	} `json:"stats"`
}

type nativeOutput struct {
	Type    string          `json:"type"`
	Content json.RawMessage `json:"content"`
}

// nativeChat asks a question over /api/v1/chat, with effort as "reasoning".
func (b *Backend) nativeChat(ctx context.Context, req nodes.ChatRequest, name, effort string) (nodes.ChatReply, error) {
	ctx, watch := wire.NewWatch(ctx, b.wire.Node(), req.FirstToken, req.BetweenTokens)
	defer watch.Stop()
	sent, err := b.wire.Request(ctx, http.MethodPost, "/api/v1/chat", nativeRequest(req, name, effort))
	if err != nil {
		return nodes.ChatReply{}, err
	}
	a := &nativeAnswer{b: b, began: time.Now(), watch: watch, onToken: req.OnToken, limit: req.MaxTokens}
	resp, err := b.wire.Do(sent, "chat")
	if err != nil {
		return a.reply(), effortRefused(err)
	}
	defer resp.Body.Close()
	a.left = &io.LimitedReader{R: resp.Body, N: wire.MaxBody}
	a.body = bufio.NewReader(a.left)
	start, err := a.body.Peek(1)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		err = b.wire.Transport(ctx, "chat", err)
	case req.Stream && !bytes.Equal(start, []byte("{")):
		err = a.stream(ctx)
	default:
		err = effortRefused(a.whole(ctx))
	}
	return a.reply(), err
}

func nativeRequest(req nodes.ChatRequest, name, effort string) map[string]any {
	last := req.Messages[len(req.Messages)-1]
	out := map[string]any{"model": name, "input": last.Text, "stream": req.Stream, "store": false, "reasoning": effort}
	if len(req.Messages) == 2 {
		out["system_prompt"] = req.Messages[0].Text
	}
	if req.MaxTokens > 0 {
		out["max_output_tokens"] = req.MaxTokens
	}
	if req.Temperature != nil {
		out["temperature"] = *req.Temperature
	}
	return out
}

// effortRefused adds errEffort as a cause to the errors that concern "reasoning"
// alone, or a server without this route.
func effortRefused(err error) error {
	var e *nodes.Error
	if !errors.As(err, &e) {
		return err
	}
	about := strings.Contains(strings.ToLower(e.Detail), "reasoning") && e.Fault == nodes.BadRequest
	if !about && !errors.Is(err, errNoRoute) {
		return err
	}
	marked := *e
	marked.Err = errors.Join(errEffort, e.Err)
	return &marked
}

// nativeAnswer collects the pieces of an answer.
type nativeAnswer struct {
	b       *Backend
	left    *io.LimitedReader // of the body
	body    *bufio.Reader
	began   time.Time
	watch   *wire.Watch
	onToken func(string)
	limit   int

	text, reasoning strings.Builder
	pieces          int
	first           time.Duration
	model           string
	result          *nativeResult
}

func (a *nativeAnswer) piece(thinking bool, text string) {
	if text == "" {
		return
	}
	a.watch.Token()
	if a.pieces == 0 {
		a.first = time.Since(a.began)
	}
	a.pieces++
	if thinking {
		a.reasoning.WriteString(text)
	} else {
		a.text.WriteString(text)
	}
	if a.onToken != nil {
		a.onToken(text)
	}
}

// whole reads an answer that is one JSON object.
func (a *nativeAnswer) whole(ctx context.Context) error {
	body, err := io.ReadAll(a.body)
	switch {
	case err != nil:
		return a.b.wire.Transport(ctx, "chat", err)
	case a.left.N <= 0:
		return a.tooLarge()
	case wire.ErrorText(body) != "":
		return a.b.wire.Status("chat", http.StatusOK, nil, body)
	}
	return a.end(body)
}

// end takes the final result. Its text is ignored if pieces of it came before.
func (a *nativeAnswer) end(body []byte) error {
	var r nativeResult
	if err := json.Unmarshal(body, &r); err != nil || r.Output == nil {
		return a.b.wire.Fail("chat", nodes.Protocol, "no output in "+wire.Brief(string(body)))
	}
	a.result = &r
	if r.ModelInstanceID != "" {
		a.model = r.ModelInstanceID
	}
	if a.pieces > 0 {
		return nil
	}
	for _, item := range *r.Output {
		switch item.Type {
		case "reasoning":
			a.piece(true, read[string](item.Content))
		case "message":
			a.piece(false, read[string](item.Content))
		}
	}
	if t := seconds(r.Stats.TimeToFirstToken); t > 0 && t <= a.first {
		a.first = t // without a stream, only the server can measure it
	}
	return nil
}

// stream reads the named events until the last one, "chat.end".
func (a *nativeAnswer) stream(ctx context.Context) error {
	lines := bufio.NewScanner(a.body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	var name string
	for lines.Scan() {
		field, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		value = strings.TrimSpace(value)
		switch field {
		case "event":
			name = value
		case "data":
			ended, err := a.event(name, []byte(value))
			if errors.Is(err, errNoJSON) && !lines.Scan() {
				break // half an event: the stream broke off in it
			}
			if ended || err != nil {
				return err
			}
		case "", "id", "retry": // an event's end, or a comment
		default: // an error text of a proxy, or of the server
			return a.b.wire.Status("chat", http.StatusOK, nil, lines.Bytes())
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong), err == nil && a.left.N <= 0:
		return a.tooLarge()
	case err != nil:
		return a.b.wire.Transport(ctx, "chat", err)
	}
	return a.b.wire.Fail("chat", nodes.CutOff, fmt.Sprintf("the stream ended after %d pieces, without its end mark", a.pieces))
}

func (a *nativeAnswer) tooLarge() error {
	return a.b.wire.Fail("chat", nodes.Protocol, fmt.Sprintf("an event larger than %d MiB, or an answer larger than %d MiB", maxEvent>>20, wire.MaxBody>>20))
}

// event takes one event. Its name is in the line before it, or in its type, or
// in both.
func (a *nativeAnswer) event(name string, data []byte) (ended bool, err error) {
	var e struct {
		Type            string          `json:"type"`
		Content         json.RawMessage `json:"content"`
		ModelInstanceID json.RawMessage `json:"model_instance_id"`
		Result          json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		broken := a.b.wire.Fail("chat", nodes.Protocol, fmt.Sprintf("%v in the stream: %s", err, wire.Brief(string(data))))
		broken.Err = errNoJSON
		return false, broken
	}
	if e.Type != "" {
		name = e.Type
	}
	switch {
	case name == "error", wire.ErrorText(data) != "":
		return false, a.b.wire.Status("chat", http.StatusOK, nil, data)
	case name == "chat.start":
		a.model = read[string](e.ModelInstanceID)
	case name == "reasoning.delta":
		a.piece(true, read[string](e.Content))
	case name == "message.delta":
		a.piece(false, read[string](e.Content))
	case name == "chat.end":
		return true, a.end(e.Result)
	}
	return false, nil // progress, and what newer versions add
}

func (a *nativeAnswer) reply() nodes.ChatReply {
	tagged, text := wire.SplitThinking(a.text.String())
	thinking := a.reasoning.String()
	if tagged != "" {
		thinking = strings.TrimSpace(thinking + "\n" + tagged)
	}
	r := nodes.ChatReply{
		Model: a.model, Text: text, Thinking: thinking, Tokens: a.pieces,
		FirstToken: a.first, Duration: time.Since(a.began),
	}
	if a.result == nil {
		return r
	}
	if n := int(max(0, min(a.result.Stats.TotalOutputTokens, 1e9))); n > 0 {
		r.Tokens = n
	}
	r.PromptTokens = int(max(0, min(a.result.Stats.InputTokens, 1e9)))
	// This protocol has no finish reason.
	r.Finish = "stop"
	if a.limit > 0 && r.Tokens >= a.limit {
		r.Finish = "length"
	}
	return r
}
