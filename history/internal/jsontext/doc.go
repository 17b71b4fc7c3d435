// Package jsontext edits the text of a JSON file that other programs write, too.
// An edit changes the bytes of one value; order, unknown members, notation of
// numbers and white space of everything else stay as they are.
//
// A [Document] is the text of a file with the places of its values. An [Object]
// is one value in it, read member by member and written back with [Merge].
//
// The tokens come from github.com/go-json-experiment/json/jsontext, which is the
// standard library's encoding/json/jsontext for releases that don't have it yet.
// It gives each token's offset, which encoding/json doesn't, refuses a depth
// beyond 10,000, and validates while it reads: a file of 500 runs is read in one
// pass. github.com/tidwall/gjson gives offsets, too, but takes invalid JSON for
// valid, so that the text would have to be validated before.
package jsontext
