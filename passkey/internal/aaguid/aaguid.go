// Package aaguid names the provider of a passkey, so that people recognize it in a list.
package aaguid

import (
	_ "embed"
	"encoding/hex"
	"strings"
	"sync"
)

//go:embed names.txt
var text string

// names is read at the first question, so that a program which asks none pays nothing.
var names = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok && id != "#" {
			m[strings.ReplaceAll(id, "-", "")] = name
		}
	}
	return m
})

// Name returns the name of the provider or of the model's series, and "" where it is unknown. It is for people alone:
// an authenticator can say whatever it likes.
func Name(id [16]byte) string { return names()[hex.EncodeToString(id[:])] }
