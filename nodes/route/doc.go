// Package route decides which node serves a request.
//
// A [Table] holds the routing state of each node: whether it serves, its
// model, the requests in flight, its ejection and its recent latencies. The
// healer keeps the table up to date; package gateway sends requests by it:
//
//	request, err := table.Acquire(ctx, &route.Demand{Fits: plan.Fits}, 30*time.Second)
//	if err != nil {
//		return err
//	}
//	defer request.Done()
//
// [PlanFor] says which nodes can answer for a model's name. [Table.Acquire]
// selects one of them by a [Policy], and queues the request while all of them
// are full or out of service. The outcome of each request is evidence: a
// failure ejects the node until a probe passes or a token arrives.
package route
