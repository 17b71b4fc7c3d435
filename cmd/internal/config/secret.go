package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/turbone/jarvis/nodes"
)

// secret reads a key. One that is written out is taken, with a warning.
func (v value) secret() (nodes.Secret, bool) {
	s, ok := v.scalar("a key", "write ${NAME}, the environment variable that holds it")
	if !ok {
		return nodes.Secret{}, false
	}
	if !s.fromEnv {
		v.r.warn(v.at, v.key, "a secret is written into the file; better ${NAME}, the environment variable that holds it")
	}
	return v.usable(s.text, "the key")
}

// secretFile reads a key from the file that v names.
func (v value) secretFile() (nodes.Secret, bool) {
	path, content, ok := v.secretContent("the key", "a key", 64<<10)
	if !ok {
		return nodes.Secret{}, false
	}
	return v.usable(string(content), path)
}

// secretContent reads the file that v names, which holds one key or several.
func (v value) secretContent(keys, any string, most int64) (path string, content []byte, ok bool) {
	path, ok = v.path()
	if !ok {
		return "", nil, false
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		v.mistake(fmt.Sprintf("%s is no file", path), "name the file that holds "+keys)
		return "", nil, false
	}
	if err == nil && info.Size() > most {
		v.mistake(fmt.Sprintf("%s is too large for %s", path, any), fmt.Sprintf("name the file that holds %s and nothing else", keys))
		return "", nil, false
	}
	if err == nil {
		content, err = os.ReadFile(path)
	}
	switch p := (*fs.PathError)(nil); { // it isn't quoted: a key may stand there by mistake
	case errors.Is(err, fs.ErrNotExist):
		v.mistake("there is no such file", "correct the path; a relative one starts at the config")
		return "", nil, false
	case errors.As(err, &p):
		v.mistake(fmt.Sprintf("the file of %s can't be read: %v", keys, p.Err), "make it readable, or correct the path")
		return "", nil, false
	case err != nil:
		v.mistake(fmt.Sprintf("the file of %s can't be read", keys), "make it readable, or correct the path")
		return "", nil, false
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		v.r.warn(v.at, v.key, fmt.Sprintf("others can read %s; better chmod 600", path))
	}
	return path, content, true
}

// usable checks that a key can go into a header.
func (v value) usable(key, what string) (nodes.Secret, bool) {
	key = strings.TrimSpace(key)
	if key == "" {
		v.mistake(what+" is empty", "put the key there, or remove this line")
		return nodes.Secret{}, false
	}
	for _, c := range key {
		if c < ' ' || c > '~' {
			v.mistake(what+" holds a character that no key has: a line break or one beyond ASCII", "put the key there alone, in one line")
			return nodes.Secret{}, false
		}
	}
	return nodes.NewSecret(key), true
}

// secret reads name or name_file.
func (m mapping) secret(name string) nodes.Secret {
	direct, given := m.get(name)
	file, fileGiven := m.get(name + "_file")
	switch {
	case given && fileGiven:
		m.r.mistake(m.keys[name+"_file"], m.key, fmt.Sprintf("both %s and %s_file", name, name), "keep one of the two")
	case given:
		return orZero(direct.secret())
	case fileGiven:
		return orZero(file.secretFile())
	}
	if _, written := m.keys[name]; written && !given {
		m.r.mistake(m.keys[name], m.key+"."+name, "empty", "write ${NAME}, or remove the line")
	}
	return nodes.Secret{}
}
