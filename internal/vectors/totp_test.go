package vectors_test

import (
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/gatehouse-go/gatehouse/totp"
)

func totpSections(t *testing.T) []section {
	var f struct {
		Codes     []json.RawMessage `json:"codes"`
		Secrets   []json.RawMessage `json:"secrets"`
		Histories []json.RawMessage `json:"histories"`
	}
	read(t, "totp.json", &f)
	return []section{
		sectionOf("codes", f.Codes, codeCase.check, "at", "step", "code"),
		sectionOf("secrets", f.Secrets, secretCase.check, "answer", "reason", "bytes"),
		sectionOf("histories", f.Histories, history.check, "answer", "last", "base"),
	}
}

// key is an authenticator.
type key struct {
	Secret    string `json:"secret"`
	Algorithm string `json:"algorithm"`
	Digits    int    `json:"digits"`
}

func (k key) ours() (totp.Key, error) {
	s, err := totp.ParseSecret(k.Secret)
	if err != nil {
		return totp.Key{}, err
	}
	algorithm, err := totp.ParseAlgorithm(k.Algorithm)
	return totp.Key{Secret: s, Algorithm: algorithm, Digits: k.Digits}, err
}

// second is the code of a step as pquerna/otp computes it.
func (k key) second(step int64) (string, error) {
	algorithms := map[string]otp.Algorithm{"SHA1": otp.AlgorithmSHA1, "SHA256": otp.AlgorithmSHA256, "SHA512": otp.AlgorithmSHA512}
	algorithm, ok := algorithms[k.Algorithm]
	if !ok {
		return "", fmt.Errorf("no algorithm: %s", k.Algorithm)
	}
	return hotp.GenerateCodeCustom(k.Secret, uint64(step), hotp.ValidateOpts{Digits: otp.Digits(k.Digits), Algorithm: algorithm})
}

type codeCase struct {
	Source string `json:"source"`
	key
	At   *int64 `json:"at,omitempty"`
	Step int64  `json:"step"`
	Code string `json:"code"`
}

func (c codeCase) check() error {
	k, err := c.ours()
	if err != nil {
		return err
	}
	got, err := k.Code(c.Step)
	if err != nil {
		return err
	}
	second, err := c.second(c.Step)
	if err != nil {
		return err
	}
	if c.At != nil && (totp.Step(time.Unix(*c.At, 0)) != c.Step || *c.At/30 != c.Step) {
		return fmt.Errorf("%d is not in step %d", *c.At, c.Step)
	}
	return errors.Join(equal("the library's code", c.Code, got), equal("pquerna's code", c.Code, second))
}

type secretCase struct {
	Name string `json:"name"`
	Text string `json:"text"`
	refusal
	Bytes string `json:"bytes,omitempty"`
	Why   string `json:"why"`
}

func (c secretCase) check() error {
	s, library := totp.ParseSecret(c.Text)
	raw, second := readSecret(c.Text)
	if library != nil {
		return errors.Join(c.agree(second, library), equal("bytes", c.Bytes, ""))
	}
	return errors.Join(c.agree(second, library), equal("the second computation's bytes", c.Bytes, hex.EncodeToString(raw)),
		equal("the library's text", strings.TrimRight(base32.StdEncoding.EncodeToString(raw), "="), s.Reveal()))
}

var secretSymbols = regexp.MustCompile(`^[a-zA-Z2-7=]*$`)

// readSecret reads base32 as a number, or says what is wrong with it.
func readSecret(text string) (raw []byte, reason string) {
	if len(text) > 512 {
		return nil, "text-length"
	}
	text = strings.ReplaceAll(text, " ", "")
	if !secretSymbols.MatchString(text) || strings.HasSuffix(text, "\n") {
		return nil, "symbol"
	}
	symbols, padding, _ := strings.Cut(strings.ToUpper(text), "=")
	if all := len(text) - len(symbols); all > 0 && (all > 7 || len(text)%8 != 0 || strings.Trim(padding, "=") != "") {
		return nil, "padding"
	}
	number := new(big.Int)
	for _, c := range symbols {
		number.Lsh(number, 5).Add(number, big.NewInt(int64(strings.IndexRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", c))))
	}
	size, over := len(symbols)*5/8, uint(len(symbols)*5%8)
	whole := new(big.Int).Rsh(number, over)
	if over >= 5 || new(big.Int).Lsh(whole, over).Cmp(number) != 0 {
		return nil, "bits"
	}
	if size < 16 || size > 128 {
		return nil, "length"
	}
	return whole.FillBytes(make([]byte, size)), ""
}

// history is what happens to one authenticator.
type history struct {
	Name string `json:"name"`
	Why  string `json:"why"`
	key
	Past  int   `json:"past"`
	Ahead int   `json:"ahead"`
	Last  int64 `json:"lastBefore"`
	Base  int   `json:"baseBefore"`
	Tries []try `json:"tries"`
}

type try struct {
	At     int64     `json:"at"`
	Code   *string   `json:"code,omitempty"`
	Resync *[]string `json:"resync,omitempty"`
	verdict
	Why string `json:"why"`
}

type verdict struct {
	Answer string `json:"answer"`
	Last   int64  `json:"last"`
	Base   int    `json:"base"`
}

func (h history) check() error {
	if len(h.Tries) == 0 {
		return errors.New("a history of nothing")
	}
	before := verdict{Last: h.Last, Base: h.Base}
	for i, one := range h.Tries {
		if (one.Code == nil) == (one.Resync == nil) || one.Resync != nil && len(*one.Resync) != 2 {
			return fmt.Errorf("try %d: one code, or two that resynchronize", i)
		}
		library, err := h.ours(one, before)
		if err := errors.Join(err, equal("the library", one.verdict, library)); err != nil {
			return fmt.Errorf("try %d: %w", i, err)
		}
		second, err := h.second(one, before)
		if err := errors.Join(err, equal("the second computation", one.verdict, second)); err != nil {
			return fmt.Errorf("try %d: %w", i, err)
		}
		before = one.verdict
	}
	return nil
}

func (h history) ours(one try, before verdict) (verdict, error) {
	k, err := h.key.ours()
	if err != nil {
		return verdict{}, err
	}
	c, now := totp.Counter{Last: before.Last, Base: before.Base}, time.Unix(one.At, 0)
	if one.Code != nil {
		c, err = k.Match(*one.Code, now, totp.Window{Past: h.Past, Ahead: h.Ahead}, c)
	} else {
		c, err = k.Resync((*one.Resync)[0], (*one.Resync)[1], now, c)
	}
	after := verdict{"accepted", c.Last, c.Base}
	for answer, is := range map[string]error{"replayed": totp.ErrReplayed, "no-match": totp.ErrNoMatch, "parameters": totp.ErrParams} {
		if errors.Is(err, is) {
			after.Answer, err = answer, nil
		}
	}
	return after, err
}

// second goes by vectors/README.md, with codes of pquerna/otp.
func (h history) second(one try, v verdict) (verdict, error) {
	within := func(n, most int) bool { return 0 <= n && n <= most }
	if !within(h.Past, 2) || !within(h.Ahead, 2) || h.Digits != 6 && h.Digits != 8 || !within(v.Base+20, 40) || v.Last < 0 {
		v.Answer = "parameters"
		return v, nil
	}
	center := (one.At+30)/30 - 1 // no vector is before -30
	var matches []int64          // by their first step, in rising order
	for o := int64(-25); o <= 25; o++ {
		is, err := h.matches(one, center, o, int64(v.Base))
		if err != nil {
			return v, err
		}
		if is && center+o >= 1 {
			matches = append(matches, center+o)
		}
	}
	switch {
	case len(matches) == 0:
		v.Answer = "no-match"
	case matches[0] <= v.Last:
		v.Answer = "replayed"
	case one.Code != nil:
		v = verdict{"accepted", matches[0], v.Base}
	default:
		v = verdict{"accepted", matches[0] + 1, int(matches[0] + 1 - center)}
	}
	return v, nil
}

var digits = regexp.MustCompile(`^[0-9]+\z`)

// matches reports whether a code is that of a step at an offset in a window, or two are of it and the next one.
func (h history) matches(one try, center, o, base int64) (bool, error) {
	is := func(code string, step int64) (bool, error) {
		if step < 1 || len(code) != h.Digits || !digits.MatchString(code) {
			return false, nil
		}
		want, err := h.key.second(step)
		return code == want, err
	}
	if one.Code != nil {
		around := func(at int64) bool { return at-int64(h.Past) <= o && o <= at+int64(h.Ahead) }
		if !around(0) && !around(base) {
			return false, nil
		}
		return is(*one.Code, center+o)
	}
	if o < -20 || o+1 > 20 {
		return false, nil
	}
	first, err := is((*one.Resync)[0], center+o)
	if !first || err != nil {
		return false, err
	}
	return is((*one.Resync)[1], center+o+1)
}
