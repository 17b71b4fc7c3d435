package chat

import "fmt"

// Dialect is one way to ask. Its methods keep nothing and are safe for
// concurrent use. Nothing panics on what a client or a server sent.
type Dialect interface {
	// Path is the address of the API: "/v1/chat/completions".
	Path() string
	// ReadRequest reads a client's request. The error is [Unsupported] where
	// it asks for what the neutral form has no room for; any other error is a
	// request of the wrong shape.
	ReadRequest(body []byte) (Request, error)
	// WriteRequest writes a request for a server. The error is [Unsupported]
	// where the dialect has no room for something that was asked.
	WriteRequest(Request) ([]byte, error)
	// ReadReply reads a whole answer. The error is [Refused] where the answer
	// says that the server failed, whatever its status was.
	ReadReply(body []byte) (Reply, error)
	// WriteReply writes a whole answer.
	WriteReply(Reply) []byte
	// ReadFrame reads one frame of a stream: for the protocols of server-sent
	// events an event with its lines and without the empty line at its end, for
	// the others a line without its end. A frame that says nothing (a comment,
	// a ping) is the zero Piece. The error says that the frame is none of this
	// protocol.
	ReadFrame(frame []byte) (Piece, error)
	// NewWriter begins a stream to a client.
	NewWriter(Start) Writer
	// Events reports whether a stream is of server-sent events; otherwise it
	// is of lines.
	Events() bool
	// Error is the body of an error answer of that status.
	Error(status int, text string) []byte
	// ErrorFrame is an error inside a stream, with all line ends, after which
	// the stream ends.
	ErrorFrame(status int, text string) []byte
}

// Start is what the frames of a stream have in common.
type Start struct {
	ID, Model string
	Created   int64
	// Usage: the client wants the counts at the end.
	Usage bool
	// Begun: the client has frames of this stream already, that another writer
	// sent, with Text (and Thinking) in all. What begins a stream is not to be
	// sent again.
	Begun          bool
	Text, Thinking string
}

// Writer writes one stream. It belongs to one goroutine.
type Writer interface {
	// Piece returns the frames, with their line ends, that say what the piece
	// says; none where there is nothing to say. With Done, all that closes the
	// stream is written: a Finish and a Usage that came before are kept until
	// then. The bytes are good until the next call.
	Piece(Piece) []byte
}

// Unsupported is the error of something that can't be said in another
// protocol.
type Unsupported struct {
	// What is the thing, in the client's words: "n above 1", "audio input".
	What string
}

// Error says what can't be translated.
func (u Unsupported) Error() string {
	return fmt.Sprintf("%s can't be translated for the server that would answer", u.What)
}

// Refused is the error that a server put into its answer.
type Refused struct {
	// Text is the server's words, Code the status that goes with them, 0 where
	// it names none.
	Text string
	Code int
}

// Error returns the server's words.
func (r Refused) Error() string { return r.Text }

// EndMark is what ends a stream whose last frame said why the answer ended;
// nothing where that frame is the end.
func EndMark(d Dialect) []byte {
	switch d.(type) {
	case OpenAI, Completions:
		return []byte("data: [DONE]\n\n")
	case Anthropic:
		return []byte("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	}
	return nil
}

// Dialects returns all three.
func Dialects() []Dialect { return []Dialect{OpenAI{}, Anthropic{}, Ollama{}} }
