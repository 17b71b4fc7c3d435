// Package protocol defines the neutral form of the APIs for text generation, and
// what a codec of one of them can do.
//
// Each API has a folder of its own with a Codec type, and one line in package
// registry. A [Codec] reads what servers answer. What else an API can do is an
// interface of its own, found by a type assertion:
//
//	[StreamCodec]  the gateway can write a stream in it
//	[ClientCodec]  its requests can be answered by servers of another API
//	[ServerCodec]  a server can be asked in it for clients of another API
//	[Prefiller]    a server needs more than the partial text to continue it
//	[Resumer]      it continues a broken answer by a request of its own
//
// A request of a client is read by its API's ClientCodec into a [Request], and
// written by the ServerCodec of a server. The answer comes back as a [Reply], or
// as a stream of a [Delta] per frame. Between equal APIs nothing is translated:
// the bytes pass as they are, and codecs only read along.
package protocol
