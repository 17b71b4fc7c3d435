package protocoltest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/goccy/go-yaml"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
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
//	error          an error with a status, as an answer and as a frame
//
// The flag -rewrite updates the files.
func Transcripts(t *testing.T, c protocol.Codec) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := run(c, d)
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
	return "error: " + err.Error() + "\n"
}

func run(c protocol.Codec, d *datadriven.TestData) (string, error) {
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
		d.MaybeScanArgs(nil, "text", &info.SentText)
		d.MaybeScanArgs(nil, "thinking", &info.SentThinking)
		return stream(Write(as[protocol.StreamCodec](c), info, deltas...)), nil
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
