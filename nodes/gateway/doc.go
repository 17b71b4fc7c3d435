// Package gateway sends clients' requests to the nodes of a [route.Table] so
// that none is lost.
//
// A [Transport] does so for the HTTP clients of a Go program, a [Gateway] is a
// handler for all other clients:
//
//	transport, err := gateway.NewTransport(healer.Route(), gateway.Options{})
//	client := &http.Client{Transport: transport}
//
// A request takes these steps. The [route.Table] selects a node, and the
// gateway sends it the request, translated where the node speaks another
// protocol than the client. If the node fails before its first token, the
// request goes to the next node; if it is late, to another one at the same
// time (hedging). If a stream breaks off, another node continues it. If no node
// can, the stream ends in an error of the client's protocol.
//
// Each outcome is reported to the table: a failure ejects the node, a token
// ends the ejection.
package gateway
