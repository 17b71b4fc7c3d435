package protocol

import "fmt"

// Codec reads the answers of one API. All codecs are stateless values, safe for
// concurrent use and comparable. No input makes them panic.
type Codec interface {
	ErrorWriter
	// Path is the API's address on a server, such as "/v1/chat/completions".
	Path() string
	// Events reports whether a stream consists of server-sent events.
	// Otherwise it consists of lines.
	Events() bool
	// ReadReply reads a whole answer. The error is a [ServerError] if the
	// answer reports that the server failed, whatever the HTTP status was.
	ReadReply(body []byte) (Reply, error)
	// ReadFrame reads one frame of a stream without its line ends: an event, or
	// a line. Comments and pings give the zero Delta. An error means that the
	// frame is not of this API.
	ReadFrame(frame []byte) (Delta, error)
	// EndMark returns the frame that ends a stream after the frame with the
	// finish reason; nil if that one is the last.
	EndMark() []byte
}

// ErrorWriter writes errors for the clients of an API.
type ErrorWriter interface {
	// Error returns the body of an answer with the given HTTP status.
	Error(status int, text string) []byte
	// ErrorFrame returns a complete frame that ends a stream.
	ErrorFrame(status int, text string) []byte
}

// StreamCodec is a Codec that can write streams.
type StreamCodec interface {
	Codec
	// NewWriter begins a stream to a client.
	NewWriter(StreamInfo) StreamWriter
	// WantsUsage reports whether a request asks for the token counts at the
	// end of its stream.
	WantsUsage(request []byte) bool
}

// ClientCodec is a Codec whose clients can be answered by servers of another
// API.
type ClientCodec interface {
	StreamCodec
	// ReadRequest reads a client's request. The error is an [UnsupportedError]
	// if the neutral form lacks something that was asked; any other error
	// means that the request is malformed.
	ReadRequest(body []byte) (Request, error)
	// WriteReply returns the body of a whole answer.
	WriteReply(Reply) []byte
}

// ServerCodec is a Codec in which a server can be asked for clients of another
// API.
type ServerCodec interface {
	Codec
	// WriteRequest returns the body of a request. The error is an
	// [UnsupportedError] if the API lacks something that was asked.
	WriteRequest(Request) ([]byte, error)
}

// Prefiller is a [ServerCodec] whose servers continue a partial answer only if
// the request says more than that. It is given the request that ends in the
// partial answer.
type Prefiller interface {
	ServerCodec
	Prefill(*Request)
}

// Resumer is a [StreamCodec] that resumes an answer by a request of the same
// API, without the neutral form.
type Resumer interface {
	StreamCodec
	// ResumeRequest returns the client's request, changed to stream what
	// follows text from the named model. spent is how many tokens of its limit
	// are used up. The error is an [UnsupportedError] if such an answer can't
	// be continued.
	ResumeRequest(request []byte, model, text string, spent int) ([]byte, error)
}

// StreamInfo is what the frames of a stream have in common.
type StreamInfo struct {
	ID, Model string
	Created   int64
	// IncludeUsage asks for the token counts at the end.
	IncludeUsage bool
	// Resumed means that the client has a part of the stream, with SentText and
	// SentThinking in all. Frames that begin a stream are left out.
	Resumed                bool
	SentText, SentThinking string
}

// StreamWriter writes one stream. It is not safe for concurrent use.
type StreamWriter interface {
	// Write returns the frames for a delta, with their line ends; it may return
	// none. The finish reason and the counts are kept until the delta with
	// Done, which writes all that ends the stream. The result is valid until
	// the next call.
	Write(Delta) []byte
}

// UnsupportedError is the error of a request that can't be translated.
type UnsupportedError struct {
	// Feature is in the client's words, such as "n above 1".
	Feature string
}

// Error implements error.
func (u UnsupportedError) Error() string {
	return fmt.Sprintf("%s can't be translated for the server that would answer", u.Feature)
}

// ServerError is an error that a server put into its answer.
type ServerError struct {
	// Message is the server's own. Status is the HTTP status that belongs to
	// it, 0 if the server named none.
	Message string
	Status  int
}

// Error implements error.
func (e ServerError) Error() string { return e.Message }

// Delta returns the error as a frame of a stream.
func (e ServerError) Delta() Delta { return Delta{Error: e.Message, Status: e.Status} }
