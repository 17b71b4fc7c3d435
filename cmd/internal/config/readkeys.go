package config

import (
	"fmt"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
)

const (
	// shortestKey is how many characters a client's key has at least: a shorter
	// one can be guessed from outside.
	shortestKey = 16
	// mostKeys bounds the file of the keys, in bytes.
	mostKeys = 1 << 20
)

const sampleKeys = "write a list: - {name: alice, key: ${ALICE_KEY}}"

// keysFile reads the file of the clients' keys. What is wrong with it is told
// with its own lines, and nothing of it is quoted.
func (r *reader) keysFile(v value) (path string, keys []gateway.Key) {
	path, content, ok := v.secretContent("the keys", "some keys", mostKeys)
	if !ok {
		return "", nil
	}
	file := &reader{file: path, dir: r.dir, env: r.env, sample: sampleKeys, quiet: true}
	if root, ok := file.parse(content); ok {
		keys = file.clients(root)
	}
	r.mistakes = append(r.mistakes, file.mistakes...)
	r.warnings = append(r.warnings, file.warnings...)
	return path, keys
}

func (r *reader) clients(v value) []gateway.Key {
	items, ok := v.list(sampleKeys)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		v.mistake("no key in it", sampleKeys)
	}
	var list []gateway.Key
	names, secrets := map[string]Position{}, map[string]Position{}
	once := func(seen map[string]Position, text string, v value, what, fix string) {
		if first, dup := seen[text]; dup {
			v.mistake(fmt.Sprintf("the client in line %d has the same %s", first.Line, what), fix)
			return
		}
		seen[text] = v.at
	}
	for _, item := range items {
		m, ok := item.mapping(clientKeys)
		if !ok {
			continue
		}
		var k gateway.Key
		if v, ok := m.need("name", "say whose key it is: name: alice"); ok {
			if k.Name, ok = v.words("a name"); ok {
				once(names, k.Name, v, "name", "give each a name of its own: it is the one in the metrics")
			}
		}
		if v, ok := m.need("key", "give it: key: ${ALICE_KEY}, or the key itself"); ok {
			if k.Secret, ok = v.clientKey(); ok {
				once(secrets, k.Secret.Reveal(), v, "key", "give each client a key of its own")
			}
		}
		if v, ok := m.get("at_once"); ok {
			k.AtOnce = orZero(v.integer(0))
		}
		if v, ok := m.get("per_minute"); ok {
			k.PerMinute = orZero(v.integer(0))
		}
		list = append(list, k)
	}
	return list
}

// clientKey reads a key that a client will send.
func (v value) clientKey() (nodes.Secret, bool) {
	const fix = "make one with: openssl rand -hex 24"
	s, ok := v.scalar("a key", fix)
	if !ok {
		return nodes.Secret{}, false
	}
	secret, ok := v.usable(s.text, "the key")
	if ok && len(secret.Reveal()) < shortestKey {
		v.mistake(fmt.Sprintf("the key is shorter than %d characters, so it can be guessed", shortestKey), fix)
		return nodes.Secret{}, false
	}
	return secret, ok
}
