package vectors_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/recovery"
)

func recoverySections(t *testing.T) []section {
	var f struct {
		Codes []json.RawMessage `json:"codes"`
	}
	read(t, "recovery.json", &f)
	return []section{sectionOf("codes", f.Codes, recoveryCase.check, "answer", "reason", "canonical", "selector")}
}

type recoveryCase struct {
	Name string `json:"name"`
	input
	refusal
	Canonical string `json:"canonical,omitempty"`
	Selector  string `json:"selector,omitempty"`
	Why       string `json:"why"`
}

func (c recoveryCase) check() error {
	text, err := c.value()
	if err != nil {
		return err
	}
	code, library := recovery.Parse(text)
	canonical, second := readCode(text)
	selector := ""
	if library == nil {
		selector = string(code.Selector())
	}
	return errors.Join(c.agree(second, library), equal("the library's form", c.Canonical, code.Reveal()),
		equal("the second computation's form", c.Canonical, canonical), equal("the library's selector", c.Selector, selector),
		equal("the first symbol", c.Selector, canonical[:min(1, len(canonical))]))
}

// readCode goes by vectors/README.md: a table of spellings, and the first fault that reading meets.
func readCode(text string) (canonical, reason string) {
	if len(text) > 64 {
		return "", "length"
	}
	const typed = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyzIiLlOo"
	const meant = "0123456789ABCDEFGHJKMNPQRSTVWXYZABCDEFGHJKMNPQRSTVWXYZ111100"
	var symbols strings.Builder
	for _, b := range []byte(strings.NewReplacer("-", "", " ", "").Replace(text)) {
		at := strings.IndexByte(typed, b)
		switch {
		case at < 0:
			return "", "symbol"
		case symbols.Len() == 16:
			return "", "many"
		}
		symbols.WriteByte(meant[at])
	}
	if symbols.Len() < 16 {
		return "", "few"
	}
	s := symbols.String()
	return s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:], ""
}
