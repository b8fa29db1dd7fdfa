package main

import (
	"bufio"
	"encoding/base32"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

const (
	maxLine      = 64 << 10 // bytes of one line; a closing quote that is missing reads on until here
	maxLineCodes = 100      // recovery codes in one line: 16 are imported at most
	maxGroup     = 16       // lines that are one import: an account has at most 5 authenticators
)

// importColumns are those that a file may have.
var importColumns = []string{
	"account", "secret", "secret_hex", "algorithm", "digits", "period", "name", "last_step",
	"recovery_codes", "recovery_hashes", "recovery_digits",
}

// importLine is one line of an import. problem says why it cannot be read, and the rest is then of no use.
type importLine struct {
	first, last int // lines of the file: a quoted field may have line breaks
	account     string
	auths       []gatehouse.ImportAuthenticator // one, or none
	codes       []recovery.Foreign
	problem     string
	note        string
}

// importReader reads the lines of an import.
type importReader struct {
	csv     *csv.Reader
	bound   *bounded
	columns []string
	next    *importLine // read already, and of another account
	err     error       // after next
}

// errLineLong is the error of bounded.
var errLineLong = fmt.Errorf("a line is longer than %d bytes: is its closing quote missing?", maxLine)

// bounded is a reader that gives so many bytes and no more.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLineLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// newImportReader reads the header.
func newImportReader(in io.Reader) (*importReader, error) {
	r := &importReader{bound: &bounded{r: in, left: maxLine}}
	text := bufio.NewReader(r.bound)
	if mark, err := text.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		_, _ = text.Discard(len(mark))
	}
	r.csv = csv.NewReader(text)
	header, err := r.csv.Read()
	if err != nil {
		return nil, fmt.Errorf("the file does not begin with a header line: %w", unquoted(err))
	}
	for _, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case !slices.Contains(importColumns, name):
			return nil, fmt.Errorf("the header has an unknown column %.40q; columns, with commas between, are %s", name, strings.Join(importColumns, ", "))
		case slices.Contains(r.columns, name):
			return nil, fmt.Errorf("the header has the column %s twice", name)
		}
		r.columns = append(r.columns, name)
	}
	if !slices.Contains(r.columns, "account") {
		return nil, errors.New("the header has no column account")
	}
	return r, nil
}

// unquoted returns an error of reading without the text that was read.
func unquoted(err error) error {
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		return wrong.Err
	}
	return err
}

// group returns the next lines of one account, or one line that cannot be read. The error is io.EOF at the end.
func (r *importReader) group() (lines []importLine, err error) {
	for len(lines) < maxGroup {
		if r.next == nil && r.err == nil {
			r.next, r.err = r.line()
		}
		switch {
		case r.next == nil && len(lines) > 0:
			return lines, nil
		case r.next == nil:
			return nil, r.err
		case len(lines) > 0 && (r.next.problem != "" || lines[0].problem != "" || r.next.account != lines[0].account):
			return lines, nil
		}
		lines, r.next = append(lines, *r.next), nil
	}
	return lines, nil
}

// line returns the next line. An error ends the file.
func (r *importReader) line() (*importLine, error) {
	r.bound.left = maxLine
	fields, err := r.csv.Read()
	var wrong *csv.ParseError
	switch {
	case errors.As(err, &wrong) && !errors.Is(err, csv.ErrFieldCount):
		return &importLine{first: wrong.StartLine, last: wrong.Line, problem: wrong.Err.Error()}, nil
	case err != nil && wrong == nil:
		return nil, err
	}
	l := &importLine{}
	l.first, _ = r.csv.FieldPos(0)
	l.last = l.first + strings.Count(strings.Join(fields, ""), "\n")
	if wrong != nil {
		l.problem = fmt.Sprintf("%d fields, and the header has %d", len(fields), len(r.columns))
		return l, nil
	}
	c := cells{values: map[string]string{}}
	for i, name := range r.columns {
		c.values[name] = fields[i]
	}
	l.account = c.values["account"]
	if storage.CheckID(l.account) != nil {
		l.problem = fmt.Sprintf("the account is not 1 to %d bytes of UTF-8", storage.MaxID)
		return l, nil
	}
	l.authenticator(&c)
	l.recoveryCodes(&c)
	l.problem = c.problem
	return l, nil
}

// cells are the fields of a line by column. problem is the first thing that is wrong with them, and holds nothing of them.
type cells struct {
	values  map[string]string
	problem string
}

func (c *cells) wrong(problem string) {
	if c.problem == "" {
		c.problem = problem
	}
}

// text returns a field without the spaces around it.
func (c *cells) text(column string) string { return strings.TrimSpace(c.values[column]) }

// number returns a field, 0 where it is empty.
func (c *cells) number(column string, least, most int64) int64 {
	if c.text(column) == "" {
		return 0
	}
	n, err := strconv.ParseInt(c.text(column), 10, 64)
	if err != nil || n < least || n > most {
		c.wrong(fmt.Sprintf("%s is no number of %d to %d", column, least, most))
	}
	return n
}

// authenticator takes the line's authenticator, if there is a secret. Where something else cannot be brought the import
// says so.
func (l *importLine) authenticator(c *cells) {
	auth := gatehouse.ImportAuthenticator{
		Digits: int(c.number("digits", 1, 100)), Name: c.values["name"], LastStep: c.number("last_step", 0, 1<<40),
		Period: time.Duration(c.number("period", 1, 86400)) * time.Second,
	}
	if name := c.text("algorithm"); name != "" {
		var err error
		if auth.Algorithm, err = totp.ParseAlgorithm(name); err != nil {
			auth.Algorithm = ^totp.Algorithm(0)
		}
	}
	if auth.Period != 0 && auth.Period != totp.Period {
		auth.LastStep = 0 // its steps are others, and the authenticator is left out for it
	}
	text, raw := c.text("secret"), c.text("secret_hex")
	switch {
	case text != "" && raw != "":
		c.wrong("both secret and secret_hex are set")
		return
	case text == "" && raw == "":
		return
	case raw != "":
		if secret, err := hex.DecodeString(raw); err == nil {
			text = base32.StdEncoding.EncodeToString(secret)
		}
	}
	var dropped int
	auth.Secret, dropped, _ = totp.ParseImported(text) // the zero Secret, where it is none
	if dropped > 0 {
		l.note = "the secret has bits left over: it may have been cut"
	}
	l.auths = []gatehouse.ImportAuthenticator{auth}
}

func (l *importLine) recoveryCodes(c *cells) {
	digits := int(c.number("recovery_digits", 0, 72))
	for code := range strings.FieldsSeq(c.text("recovery_codes")) {
		l.codes = append(l.codes, recovery.ForeignCode(code))
	}
	for hash := range strings.FieldsSeq(c.text("recovery_hashes")) {
		l.codes = append(l.codes, recovery.ForeignHash(hash, digits))
	}
	if len(l.codes) > maxLineCodes {
		c.wrong(fmt.Sprintf("more than %d recovery codes", maxLineCodes))
	}
}
