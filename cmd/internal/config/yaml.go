package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reader walks a file's syntax tree and collects what is wrong with it,
// instead of stopping at the first mistake as a decoder does.
type reader struct {
	file     string
	dir      string // relative paths start here
	env      func(string) (string, bool)
	sample   string // how to come by a file that is right
	quiet    bool   // nothing of the file is quoted: any of it may be a key
	mistakes Mistakes
	warnings []string
	anchors  map[string]ast.Node
}

func (r *reader) mistake(at Position, key, what, fix string) {
	r.mistakes = append(r.mistakes, Mistake{File: r.file, Position: at, Key: key, What: what, Fix: fix})
}

func (r *reader) warn(at Position, key, what string) {
	r.warnings = append(r.warnings, Mistake{File: r.file, Position: at, Key: key, What: what}.String())
}

// A "${NAME}" inside of {…} would end the braces. So the three marks are
// private characters while the file is parsed, each for one, so that columns
// stay right.
const markDollar, markOpen, markClose = "\uE000", "\uE001", "\uE002"

var reference = regexp.MustCompile(`\$\{([^{}\n"',\[\]]*)\}`)

var unmark = strings.NewReplacer(markDollar, "$", markOpen, "{", markClose, "}")

// parse returns the file's only document; ok is false if there is none, and
// the mistake is noted.
func (r *reader) parse(source []byte) (root value, ok bool) {
	if !utf8.Valid(source) || strings.ContainsRune(string(source), 0) {
		r.mistake(Position{}, "", "not a text file in UTF-8", "give a YAML file; "+r.sample)
		return value{}, false
	}
	text := strings.TrimPrefix(string(source), "\ufeff")
	text = reference.ReplaceAllString(text, markDollar+markOpen+"$1"+markClose)
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return value{}, false
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		r.mistake(Position{1, 1}, "", "the file is empty", r.sample)
		return value{}, false
	case 1:
	default:
		r.mistake(position(bodies[1]), "", "a second document", "keep one, without `---` in between")
		return value{}, false
	}
	r.anchors = map[string]ast.Node{}
	ast.Walk(anchorVisitor{r}, bodies[0])
	return value{r: r, node: bodies[0], at: position(bodies[0])}, true
}

type anchorVisitor struct{ r *reader }

func (v anchorVisitor) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		v.r.anchors[a.Name.GetToken().Value] = a.Value
	}
	return v
}

// syntaxFixes say in other words what the parser says, by a part of it.
var syntaxFixes = []struct{ message, what, fix string }{
	{"'\t' that cannot start", "a tab", "indent with blanks"},
	{"tab character", "a tab", "indent with blanks"},
	{"mapping value is not allowed", "a key where a value was expected", "align it with the keys above, or quote a value that holds \": \""},
	{"double-quoted text", "a \" that is never closed", "close it"},
	{"single-quoted text", "a ' that is never closed", "close it"},
	{"'}' must be specified", "a { that is not closed", "close it with }, and part its entries with commas"},
	{"token '}'", "a { that is never closed", "close it with }"},
	{"']' must be specified", "a [ that is not closed", "close it with ], and part its entries with commas"},
	{"']' not found", "a [ that is never closed", "close it with ]"},
	{"reserved character", "a value that begins with a reserved character", "put it in quotes"},
	{"unexpected key name", "a line that is neither `key: value` nor part of one", "is a `:` missing?"},
	{"non-map value", "a line that is neither `key: value` nor part of one", "is a `:` missing?"},
	{"directive", "not YAML", ""},
	{"alias", "an alias (*name) that nothing is named by", "name something &name above it, or put the value in quotes"},
}

var quoted = regexp.MustCompile("\"[^\"]*\"|'[^']{2,}'|`[^`]*`")

// syntax notes the parser's error. Its own text shows the lines around the
// place, and with them a key that stands there; only the message is used, and
// nothing that it quotes.
func (r *reader) syntax(err error) {
	var e yaml.Error
	if !errors.As(err, &e) {
		r.mistake(Position{}, "", "not YAML", r.sample)
		return
	}
	message := e.GetMessage()
	what, fix := "not YAML: "+quoted.ReplaceAllString(message, "…"), ""
	for _, s := range syntaxFixes {
		if strings.Contains(message, s.message) {
			what, fix = s.what, cmp.Or(s.fix, "give a YAML file; "+r.sample)
			break
		}
	}
	var at Position
	if t := e.GetToken(); t != nil && t.Position != nil {
		at = Position{t.Position.Line, t.Position.Column}
	}
	r.mistake(at, "", what, fix)
}

func position(n ast.Node) Position {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return position(m.Values[0])
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return position(m.Key)
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return Position{}
	}
	return Position{t.Position.Line, t.Position.Column}
}

// value is one value of the file.
type value struct {
	r    *reader
	node ast.Node
	key  string // its path
	at   Position
}

func (v value) mistake(what, fix string) { v.r.mistake(v.at, v.key, what, fix) }

// resolved follows anchors, aliases and tags to the value itself. Aliases of
// aliases end after a few: a circle has no end.
func (v value) resolved() ast.Node {
	n := v.node
	for range 10 {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.AliasNode:
			target, ok := v.r.anchors[x.Value.GetToken().Value]
			if !ok {
				v.mistake("an alias (*name) that nothing is named by", "name something &name above it, or put the value in quotes")
				return nil
			}
			n = target
		case *ast.TagNode:
			n = x.Value
		default:
			return n
		}
	}
	v.mistake("an alias that refers to itself", "write the value itself")
	return nil
}

// empty reports whether nothing was written, or null.
func (v value) empty() bool {
	if v.node == nil {
		return true
	}
	_, null := v.node.(*ast.NullNode)
	return null
}

// kind says what a value is, for people.
func kind(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a group of keys"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.NullNode:
		return "empty"
	}
	return "a text"
}

// wrongType notes that v is something else than wanted.
func (v value) wrongType(n ast.Node, wanted, fix string) {
	if n != nil { // otherwise it is noted already
		v.mistake(kind(n)+" where "+wanted+" belongs", fix)
	}
}

// mapping is a group of keys.
type mapping struct {
	value
	fields map[string]value
	keys   map[string]Position
	meant  map[string]bool // keys that a misspelt one stands for
}

// mapping reads v as a group of keys. Keys beside the known ones, and keys
// written twice, are noted; known nil takes all. ok is false if v is none.
func (v value) mapping(known []string) (m mapping, ok bool) {
	m = mapping{value: v, fields: map[string]value{}, keys: map[string]Position{}, meant: map[string]bool{}}
	n := v.resolved()
	node, ok := n.(*ast.MappingNode)
	if !ok {
		v.wrongType(n, "a group of `key: value` lines", "indent its keys below it")
		return m, false
	}
	v.fill(&m, node, known, 0)
	return m, true
}

func (v value) fill(m *mapping, node *ast.MappingNode, known []string, depth int) {
	var merged []value
	for _, field := range node.Values {
		at := position(field.Key)
		if _, ok := field.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, value{v.r, field.Value, v.key, at})
			continue
		}
		name := unmark.Replace(field.Key.GetToken().Value)
		path := name
		if v.key != "" {
			path = v.key + "." + name
		}
		if known != nil && !slices.Contains(known, name) {
			what, fix := "unknown key", ""
			if plainKey.MatchString(name) && !v.r.quiet { // else it may be half of a value
				what = fmt.Sprintf("unknown key %q", name)
			}
			if meant := meantKey(name, known); meant != "" {
				m.meant[meant] = true
				fix = fmt.Sprintf("did you mean %q?", meant)
			} else {
				fix = elsewhere(name, known)
			}
			v.r.mistake(at, v.key, what, fix)
			continue
		}
		if first, dup := m.keys[name]; dup {
			if depth == 0 {
				v.r.mistake(at, path, fmt.Sprintf("given twice, the first time in line %d", first.Line), "keep one of the two")
			}
			continue // a key of the group itself outranks a merged one
		}
		m.keys[name] = at
		valueAt := position(field.Value)
		if _, null := field.Value.(*ast.NullNode); null || valueAt == (Position{}) {
			valueAt = at
		}
		m.fields[name] = value{v.r, field.Value, path, valueAt}
	}
	for _, base := range merged {
		group, ok := base.resolved().(*ast.MappingNode)
		if !ok || depth > 4 {
			base.mistake("<< takes an alias of a group of keys", "write `<<: *name`, and name the group &name")
			continue
		}
		v.fill(m, group, known, depth+1)
	}
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,30}$`)

// meantKey returns the known key that an unknown one stands for, "" if it
// stands for none.
func meantKey(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return near
	}
	if other := otherNames[name]; slices.Contains(known, other) {
		return other
	}
	return ""
}

// elsewhere is the fix for a key that nobody knows here: the group where it
// belongs, or what is known.
func elsewhere(name string, known []string) string {
	for _, group := range groups {
		if slices.Contains(group.keys, name) {
			return "it belongs to " + group.name
		}
	}
	return "known here: " + strings.Join(known, ", ")
}

// get returns a field; ok is false if it is missing or empty.
func (m mapping) get(name string) (v value, ok bool) {
	v, ok = m.fields[name]
	return v, ok && !v.empty()
}

// need is get, and notes that it is missing.
func (m mapping) need(name, fix string) (value, bool) {
	v, ok := m.get(name)
	if !ok && !m.meant[name] { // a misspelt one is told already
		at := m.at
		if k, given := m.keys[name]; given {
			at = k
		}
		m.r.mistake(at, m.key, fmt.Sprintf("%s is missing", name), fix)
	}
	return v, ok
}

// list reads v as a list.
func (v value) list(fix string) ([]value, bool) {
	n := v.resolved()
	node, ok := n.(*ast.SequenceNode)
	if !ok {
		v.wrongType(n, "a list", fix)
		return nil, false
	}
	list := make([]value, len(node.Values))
	for i, item := range node.Values {
		list[i] = value{v.r, item, fmt.Sprintf("%s[%d]", v.key, i), position(item)}
	}
	return list, true
}

// clip bounds what is quoted of the file.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
