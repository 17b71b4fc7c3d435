package protocoltest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/goccy/go-yaml"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

// Transcripts runs the files in testdata. Each case is a command with its input,
// and beneath it what comes of it. The neutral form is YAML with the names of
// the Go fields in lower case; what is in the API's own form stands as it is on
// the wire, whole answers with line breaks added.
//
//	read-request   a client's request, in the neutral form
//	read-reply     a server's answer, in the neutral form
//	read-frame     one frame of a server's stream, in the neutral form
//	write-request  a neutral request as the API has it
//	write-reply    a neutral answer as the API has it
//	write-stream   a list of deltas as the API's stream
//	resume-request a request for what follows text, after spent tokens
//	error          an error with a status, as an answer and as a frame
//
// The flag -rewrite updates the files.
func Transcripts(t *testing.T, c protocol.Codec) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := run(t, c, d)
			if err != nil {
				return describe(err)
			}
			return newID.ReplaceAllString(strings.TrimRight(out, "\n"), "${1}NEW") + "\n"
		})
	})
}

// newID matches the IDs that codecs make up.
var newID = regexp.MustCompile(`\b(call_|toolu_|msg_|chatcmpl-|cmpl-)[a-z2-7]{26}\b`)

// describe names the kind of an error.
func describe(err error) string {
	var unsupported protocol.UnsupportedError
	var failed protocol.ServerError
	switch {
	case errors.As(err, &unsupported):
		return "unsupported: " + unsupported.Feature + "\n"
	case errors.As(err, &failed):
		return fmt.Sprintf("server error %d: %s\n", failed.Status, failed.Message)
	}
	if isJSON(err) || errors.Is(err, codec.ErrForeign) {
		return "malformed\n" // the rest is encoding/json's, in its words
	}
	return "malformed: " + err.Error() + "\n"
}

// isJSON reports whether err is one of encoding/json.
func isJSON(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind)
}

func run(t *testing.T, c protocol.Codec, d *datadriven.TestData) (string, error) {
	input := []byte(d.Input)
	switch d.Cmd {
	case "read-request":
		return neutral(as[protocol.ClientCodec](c).ReadRequest(input))
	case "read-reply":
		return neutral(c.ReadReply(input))
	case "read-frame":
		return neutral(c.ReadFrame(input))
	case "write-request":
		var r protocol.Request
		if err := yaml.UnmarshalWithOptions(input, &r, yaml.UseJSONUnmarshaler(), yaml.Strict()); err != nil {
			return "", err
		}
		body, err := as[protocol.ServerCodec](c).WriteRequest(r)
		return indent(body), err
	case "write-reply":
		var r protocol.Reply
		if err := yaml.UnmarshalWithOptions(input, &r, yaml.Strict()); err != nil {
			return "", err
		}
		return indent(as[protocol.ClientCodec](c).WriteReply(r)), nil
	case "write-stream":
		var deltas []protocol.Delta
		if err := yaml.UnmarshalWithOptions(input, &deltas, yaml.Strict()); err != nil {
			return "", err
		}
		info := Info
		info.Resumed = d.HasArg("resumed")
		info.IncludeUsage = !d.HasArg("no-usage")
		d.MaybeScanArgs(t, "text", &info.SentText)
		d.MaybeScanArgs(t, "thinking", &info.SentThinking)
		return stream(Write(as[protocol.StreamCodec](c), info, deltas...)), nil
	case "resume-request":
		var text string
		var spent int
		d.ScanArgs(t, "text", &text)
		d.ScanArgs(t, "spent", &spent)
		body, err := as[protocol.Resumer](c).ResumeRequest(input, Info.Model, text, spent)
		return indent(body), err
	case "error":
		var status int
		if _, err := fmt.Sscan(d.CmdArgs[0].Key, &status); err != nil {
			return "", err
		}
		return string(c.Error(status, d.Input)) + "\n" + stream(c.ErrorFrame(status, d.Input)), nil
	}
	return "", fmt.Errorf("no command %q", d.Cmd)
}

// as returns c as a codec that can do more.
func as[T protocol.Codec](c protocol.Codec) T {
	t, ok := c.(T)
	if !ok {
		panic(fmt.Sprintf("%s is no %T", c.Path(), t))
	}
	return t
}

// neutral returns v as YAML without its zero values.
func neutral[T any](v T, err error) (string, error) {
	if err != nil {
		return "", err
	}
	out, err := yaml.MarshalWithOptions(v, yaml.OmitZero(), yaml.UseJSONMarshaler(), yaml.IndentSequence(false))
	return string(out), err
}

func indent(body []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return string(body)
	}
	return out.String()
}

// stream returns a stream without its empty lines, which end a transcript's case.
func stream(frames []byte) string {
	return strings.ReplaceAll(strings.TrimRight(string(frames), "\n"), "\n\n", "\n")
}

// Inputs returns the inputs of all cases in the files that match a pattern, as
// seeds for fuzzing.
func Inputs(pattern string) (inputs [][]byte, err error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for part := range strings.SplitSeq(string(text), "\n\n# ") {
			_, rest, _ := strings.Cut(part, "\n") // the name
			_, rest, _ = strings.Cut(rest, "\n")  // the command
			input, _, _ := strings.Cut(rest, "\n----\n")
			inputs = append(inputs, []byte(input))
		}
	}
	return inputs, nil
}
