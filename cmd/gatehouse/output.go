package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/urfave/cli/v3"
)

// printJSON prints one document on one line.
func printJSON(c *cli.Command, v any) error { return writeJSON(c.Root().Writer, v) }

// writeJSON escapes also what may do something to a terminal, and JSON would let stand.
func writeJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	var line strings.Builder
	for _, r := range text.String() {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			fmt.Fprintf(&line, `\u%04x`, r)
		} else {
			line.WriteRune(r)
		}
	}
	_, err := io.WriteString(w, line.String())
	return err
}

// report prints what was done, as a sentence or as a document.
func report(c *cli.Command, text string, document any) error {
	if c.Bool("json") {
		return printJSON(c, document)
	}
	_, err := fmt.Fprintln(c.Root().Writer, text)
	return err
}

// shown returns a text of somebody else's making so that it can do nothing to a terminal: IDs may have any
// characters.
func shown(text string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) && r != ' ' }
	if text == "" || strings.ContainsFunc(text, odd) || strings.TrimSpace(text) != text || strings.Contains(text, "\uFFFD") {
		return strconv.QuoteToASCII(text)
	}
	return text
}

// when returns a time for a document, nil for the zero time.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// at returns a time for a person.
func at(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// counted returns "1 token" or "2 tokens".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// shellWord returns an argument as a shell takes it.
func shellWord(arg string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@+", r)
	}
	switch {
	case arg != "" && !strings.ContainsFunc(arg, func(r rune) bool { return !plain(r) }):
		return arg
	case !strings.ContainsFunc(arg, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }):
		return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(arg) {
		if c < ' ' || c >= 0x7f || c == '\'' || c == '\\' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String() + "'"
}
