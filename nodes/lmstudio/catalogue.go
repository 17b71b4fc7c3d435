package lmstudio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// catalogue lists a server's models, without embedding models.
type catalogue struct {
	models   []model
	readOnly bool // a server before 0.4

	places map[string]int  // of the models, by key in lower case
	ids    map[string]bool // of all instances
}

// model is one model, merged from all entries with its key.
type model struct {
	file      nodes.File
	mlx       bool
	efforts   []string // the values of "reasoning" that it allows
	told      bool     // the server listed its capabilities
	instances []instance
}

type instance struct {
	id     string
	config map[string]any
	ttl    time.Duration // 0: unlimited or unknown
}

// entryV1 is an entry of GET /api/v1/models. All fields but the key may be
// absent, null, or of a newer version's type, and are then ignored.
type entryV1 struct {
	Key             string          `json:"key"`
	Type            json.RawMessage `json:"type"`
	Quantization    json.RawMessage `json:"quantization"`
	SizeBytes       json.RawMessage `json:"size_bytes"`
	Format          json.RawMessage `json:"format"`
	Capabilities    json.RawMessage `json:"capabilities"`
	LoadedInstances json.RawMessage `json:"loaded_instances"`
}

type quantizationV1 struct {
	Name string `json:"name"`
}

type capabilitiesV1 struct {
	Reasoning struct {
		AllowedOptions []string `json:"allowed_options"`
	} `json:"reasoning"`
}

type instanceV1 struct {
	ID           string         `json:"id"`
	InstanceID   string         `json:"instance_id"`
	Config       map[string]any `json:"config"`
	RemainingTTL float64        `json:"remaining_ttl_seconds"`
}

// read decodes a part of an answer. Of a part with another shape it returns what
// fits.
func read[T any](raw json.RawMessage) T {
	var v T
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	_ = d.Decode(&v)
	return v
}

// parseV1 parses the answer to GET /api/v1/models. If it is not such a list,
// fault tells whether another kind of server sent it.
func parseV1(body []byte) (c catalogue, fault nodes.Fault, detail string) {
	var list struct {
		Models *[]json.RawMessage `json:"models"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return c, nodes.Protocol, fmt.Sprintf("%v in %s", err, wire.Brief(string(body)))
	}
	if list.Models == nil {
		return c, nodes.WrongEngine, "no list of models as LM Studio has it: " + wire.Brief(string(body))
	}
	foreign := 0
	for _, raw := range *list.Models {
		e := read[entryV1](raw)
		switch {
		case e.Key == "":
			foreign++ // skipped, so that the others are listed
		case read[string](e.Type) != "embedding":
			c.add(e)
		}
	}
	if foreign > 0 && foreign == len(*list.Models) {
		return catalogue{}, nodes.WrongEngine, "models without a key, which LM Studio's have: " + wire.Brief(string(body))
	}
	return c, "", ""
}

// add merges an entry into the model of its key. A key may have several entries,
// with instances in any of them.
func (c *catalogue) add(e entryV1) {
	m := c.model(e.Key)
	if m.file.Size == 0 {
		m.file.Size = bytesOf(read[float64](e.SizeBytes))
	}
	if m.file.Quantization == "" {
		m.file.Quantization = read[quantizationV1](e.Quantization).Name
	}
	m.mlx = m.mlx || read[string](e.Format) == "mlx"
	if can := read[*capabilitiesV1](e.Capabilities); can != nil {
		m.told = true
		m.efforts = append(m.efforts, can.Reasoning.AllowedOptions...)
	}
	for _, raw := range read[[]json.RawMessage](e.LoadedInstances) {
		i := read[instanceV1](raw)
		id := i.ID
		if id == "" {
			id = i.InstanceID
		}
		c.put(m, instance{id: id, config: i.Config, ttl: seconds(i.RemainingTTL)})
	}
}

// bytesOf converts a server's number to a size, limited to a sensible range.
func bytesOf(n float64) int64 {
	const most = 1 << 50 // a petabyte
	return int64(max(0, min(n, most)))
}

// seconds converts a server's number to a duration, limited to a sensible range.
func seconds(s float64) time.Duration {
	const longest = 1e9 // thirty years
	return time.Duration(max(0, min(s, longest)) * float64(time.Second))
}

// model returns the model of a key, and adds it if it is missing. The pointer is
// valid until the next call.
func (c *catalogue) model(key string) *model {
	if m := c.named(key); m != nil {
		return m
	}
	if c.places == nil {
		c.places = map[string]int{}
	}
	c.places[strings.ToLower(key)] = len(c.models)
	c.models = append(c.models, model{file: nodes.File{Name: key}})
	return &c.models[len(c.models)-1]
}

// named returns the model with that name, or nil.
func (c *catalogue) named(name string) *model {
	if at, ok := c.places[strings.ToLower(name)]; ok {
		return &c.models[at]
	}
	return nil
}

// put adds an instance to a model, unless it has no ID or is listed already.
func (c *catalogue) put(m *model, i instance) {
	if i.id == "" || c.ids[i.id] {
		return
	}
	if c.ids == nil {
		c.ids = map[string]bool{}
	}
	c.ids[i.id] = true
	m.instances = append(m.instances, i)
}

func (m *model) instance(id string) *instance {
	at := slices.IndexFunc(m.instances, func(i instance) bool { return i.id == id })
	if at < 0 {
		return nil
	}
	return &m.instances[at]
}

// parseV0 parses the answer to GET /api/v0/models, as parseV1 does.
func parseV0(body []byte) (c catalogue, fault nodes.Fault, detail string) {
	var list struct {
		Data *[]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return c, nodes.Protocol, fmt.Sprintf("%v in %s", err, wire.Brief(string(body)))
	}
	if list.Data == nil {
		return c, nodes.WrongEngine, "no list of models as LM Studio has it: " + wire.Brief(string(body))
	}
	c.readOnly = true
	foreign := 0
	for _, raw := range *list.Data {
		e := read[entryV0](raw)
		switch {
		case e.ID == "" || e.State == "":
			foreign++
		case read[string](e.Type) != "embeddings":
			c.addV0(e)
		}
	}
	if foreign > 0 && foreign == len(*list.Data) {
		return catalogue{}, nodes.WrongEngine, "models without a state, which LM Studio's have: " + wire.Brief(string(body))
	}
	return c, "", ""
}

// entryV0 is an entry of GET /api/v0/models: a model, or an instance of one.
type entryV0 struct {
	ID            string          `json:"id"`
	State         string          `json:"state"`
	Type          json.RawMessage `json:"type"`
	Quantization  json.RawMessage `json:"quantization"`
	Compatibility json.RawMessage `json:"compatibility_type"`
	Loaded        json.RawMessage `json:"loaded_context_length"`
}

func (c *catalogue) addV0(e entryV0) {
	m := c.model(baseKey(e.ID))
	m.mlx = m.mlx || read[string](e.Compatibility) == "mlx"
	m.file.Quantization = read[string](e.Quantization)
	if e.State != "loaded" {
		return
	}
	i := instance{id: e.ID}
	if n := read[json.Number](e.Loaded); n != "" && n != "0" {
		i.config = map[string]any{"context_length": n}
	}
	c.put(m, i)
}

// baseKey removes the number of an instance: "key:2" is "key".
func baseKey(id string) string {
	base, number, ok := strings.Cut(id, ":")
	if ok && number != "" && strings.Trim(number, "0123456789") == "" && base != "" {
		return base
	}
	return id
}

func (c *catalogue) anyLoaded() bool {
	return slices.ContainsFunc(c.models, func(m model) bool { return len(m.instances) > 0 })
}

// adopt adds the instances of a v0 list of the same server. That list may lack
// the publisher in a key.
func (c *catalogue) adopt(old catalogue) {
	short := map[string]string{}
	for _, m := range c.models {
		if _, name, ok := strings.Cut(strings.ToLower(m.file.Name), "/"); ok {
			short[name] = m.file.Name
		}
	}
	for _, o := range old.models {
		m := c.named(o.file.Name)
		if m == nil {
			m = c.named(short[strings.ToLower(o.file.Name)])
		}
		if m == nil {
			continue
		}
		for _, i := range o.instances {
			c.put(m, i)
		}
	}
}

// find returns the instance with that ID, or the first instance of the model with
// that name, and its model. It returns nil if none is in memory.
func (c *catalogue) find(name string) (*model, *instance) {
	for i := range c.models {
		if inst := c.models[i].instance(name); inst != nil {
			return &c.models[i], inst
		}
	}
	if m := c.named(name); m != nil && len(m.instances) > 0 {
		return m, &m.instances[0]
	}
	return nil, nil
}

func (c *catalogue) snapshot(now time.Time) nodes.Snapshot {
	s := nodes.Snapshot{ReadOnly: c.readOnly, OnDisk: []nodes.File{}}
	for _, m := range c.models {
		s.OnDisk = append(s.OnDisk, m.file)
		for _, i := range m.instances {
			inst := nodes.Instance{ID: i.id, Model: m.file.Name, Settings: scalars(i.config)}
			if m.mlx {
				// A load can't set it. It would always differ from the setting,
				// and every repair would load the model again.
				delete(inst.Settings, "context_length")
			}
			if i.ttl > 0 {
				inst.Expires = now.Add(i.ttl)
			}
			s.Loaded = append(s.Loaded, inst)
		}
	}
	return s
}

// scalars returns the settings that are numbers, strings or booleans.
func scalars(config map[string]any) nodes.Settings {
	out := nodes.Settings{}
	for k, v := range config {
		switch v := v.(type) {
		case json.Number:
			if n, err := v.Int64(); err == nil {
				out[k] = n
			} else if f, err := v.Float64(); err == nil {
				out[k] = f
			}
		case bool, string, int64, float64:
			out[k] = v
		}
	}
	return out
}
