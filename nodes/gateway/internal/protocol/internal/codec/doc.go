// Package codec has what the codecs of several APIs share: lenient JSON, server-sent
// events, errors of servers, and the parts of tool calls.
package codec
