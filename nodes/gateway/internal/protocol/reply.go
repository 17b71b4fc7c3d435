package protocol

// Finish is the reason why an answer ended.
type Finish string

// The reasons, by OpenAI's names.
const (
	FinishStop          Finish = "stop"
	FinishLength        Finish = "length"
	FinishToolCalls     Finish = "tool_calls"
	FinishContentFilter Finish = "content_filter"
)

// Usage is a server's count of tokens.
type Usage struct {
	Prompt, Completion int
	// Known is false if the server gave no counts.
	Known bool
}

// Add updates u by later counts, which may be partial: some servers count the
// prompt at the beginning of a stream and the answer at its end.
func (u *Usage) Add(later Usage) {
	if !later.Known {
		return
	}
	u.Known = true
	if later.Prompt > 0 {
		u.Prompt = later.Prompt
	}
	if later.Completion > 0 {
		u.Completion = later.Completion
	}
}

// Reply is a whole answer.
type Reply struct {
	ID, Model string
	// Created is in seconds since 1970, 0 if unknown.
	Created        int64
	Text, Thinking string
	ToolCalls      []ToolCall
	Finish         Finish
	Usage          Usage
}

// Empty reports whether the reply has no token and should have had one: it may
// have none if it was cut off by its length limit.
func (r Reply) Empty() bool {
	return r.Text == "" && r.Thinking == "" && len(r.ToolCalls) == 0 && r.Usage.Completion <= 1 && r.Finish != FinishLength
}

// Delta returns the reply as a stream of one delta.
func (r Reply) Delta() Delta {
	d := Delta{
		ID: r.ID, Model: r.Model, Created: r.Created, Text: r.Text, Thinking: r.Thinking,
		Finish: r.Finish, Usage: r.Usage, Done: true,
	}
	for i, c := range r.ToolCalls {
		d.ToolCalls = append(d.ToolCalls, ToolCallDelta{Index: i, ID: c.ID, Name: c.Name, Arguments: c.Arguments})
	}
	return d
}

// Delta is what one frame of a stream adds to the answer. Several fields may be
// set.
type Delta struct {
	// ID, Model and Created are set if the frame has them.
	ID, Model      string
	Created        int64
	Text, Thinking string
	ToolCalls      []ToolCallDelta
	// Finish is set by the frame that names the reason.
	Finish Finish
	// Usage is set by the frame that has the counts.
	Usage Usage
	// Done marks the end of the answer; later frames have nothing to add.
	Done bool
	// Loaded marks the answer to a request that only loads or unloads a model.
	// It has no token.
	Loaded bool
	// Error is the server's message if the frame reports an error. Status is
	// the HTTP status that belongs to it, 0 if the frame names none.
	Error  string
	Status int
}

// HasToken reports whether d adds to the text, the reasoning or the tool calls.
func (d Delta) HasToken() bool { return d.Text != "" || d.Thinking != "" || len(d.ToolCalls) > 0 }

// IsEmpty reports whether d has nothing, as that of a comment.
func (d Delta) IsEmpty() bool {
	return !d.HasToken() && d.ID == "" && d.Model == "" && d.Created == 0 && d.Finish == "" && d.Usage == (Usage{}) &&
		!d.Done && !d.Loaded && d.Error == "" && d.Status == 0
}

// TextOnly reports whether d has a text and nothing else but what all frames of
// a stream repeat.
func (d Delta) TextOnly() bool {
	return d.Text != "" && d.Thinking == "" && len(d.ToolCalls) == 0 &&
		d.Finish == "" && !d.Done && !d.Usage.Known && d.Error == ""
}

// ToolCallDelta is a part of a tool call. ID and Name come with its first part;
// the Arguments of all parts are to be concatenated. Some servers give all calls
// the same Index: another ID at an Index begins another call.
type ToolCallDelta struct {
	Index               int
	ID, Name, Arguments string
}
