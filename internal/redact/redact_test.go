package redact_test

import (
	"bytes"
	"database/sql/driver"
	"encoding"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

const (
	canary = "CANARY-5up3r-s3cret"
	verbs  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%"
)

// pair is a secret of more than one part.
type pair struct {
	A, b string
	N    []byte
}

// Each of these embeds a Value as the public types of other packages do.
type (
	hiddenText  = redact.Value[string]
	hiddenBytes = redact.Value[[]byte]
	hiddenArray = redact.Value[[19]byte]
	hiddenPair  = redact.Value[pair]
	hiddenPtr   = redact.Value[*pair]
	hiddenMap   = redact.Value[map[string]string]
	hiddenAny   = redact.Value[any]

	text  struct{ hiddenText }
	raw   struct{ hiddenBytes }
	array struct{ hiddenArray }
	parts struct{ hiddenPair }
	ptr   struct{ hiddenPtr }
	table struct{ hiddenMap }
	some  struct{ hiddenAny }
)

// exported and unexported hold a secret in every way that a field can. fmt calls no methods on what
// stands in an unexported field.
type (
	exported[T any] struct {
		V     T
		P     *T
		Slice []T
		Array [1]T
		Map   map[string]T
		Any   any
		In    struct{ V T }
	}
	unexported[T any] struct {
		v     T
		p     *T
		slice []T
		array [1]T
		m     map[string]T
		any   any
		in    struct{ v T }
	}
)

// places returns v by itself and in everything that can hold it.
func places[T any](v T) []any {
	e := exported[T]{v, &v, []T{v}, [1]T{v}, map[string]T{"k": v}, v, struct{ V T }{v}}
	u := unexported[T]{v, &v, []T{v}, [1]T{v}, map[string]T{"k": v}, v, struct{ v T }{v}}
	return []any{
		v, &v, []T{v}, []*T{&v}, [1]T{v}, map[string]T{"k": v}, []any{v, &v}, e, &e, u, &u, []any{e, &u}, struct{ e, u any }{e, u},
		map[string]any{"e": &e, "u": u},
	}
}

// everything returns places of secrets of every kind.
func everything() []any {
	p := pair{canary, canary, []byte(canary)}
	var all []any
	all = append(all, places(text{redact.New(canary)})...)
	all = append(all, places(raw{redact.New([]byte(canary))})...)
	all = append(all, places(array{redact.New([19]byte([]byte(canary)))})...)
	all = append(all, places(parts{redact.New(p)})...)
	all = append(all, places(ptr{redact.New(&p)})...)
	all = append(all, places(table{redact.New(map[string]string{canary: canary})})...)
	all = append(all, places(some{redact.New[any](canary)})...)
	all = append(all, places(some{redact.New[any]([]byte(canary))})...)
	all = append(all, places(redact.New(canary))...)
	return append(all, places(redact.New([]byte(canary)))...)
}

// requireClean asks that no spelling of the canary stands in out.
func requireClean(t *testing.T, out, format string, args ...any) {
	t.Helper()
	lower := strings.ToLower(out)
	for _, s := range []string{
		canary[:6],
		hex.EncodeToString([]byte(canary))[:12],
		base64.StdEncoding.EncodeToString([]byte(canary))[:8],
		strings.Trim(fmt.Sprint([]byte(canary)[:4]), "[]"),
		"0x43, 0x41, 0x4e", // as %#v writes bytes
		"'c' 'a' 'n'",      // as %q writes them
		"u+0043 u+0041",
	} {
		if strings.Contains(lower, strings.ToLower(s)) {
			require.Fail(t, "the secret is shown", "%s: %.300s", fmt.Sprintf(format, args...), out)
		}
	}
}

func TestEveryVerb(t *testing.T) {
	for _, v := range everything() {
		for _, verb := range verbs {
			for _, flags := range []string{"", "+", "#", " ", "0", "-", "+#", "40.9", "[1]"} {
				format := "%" + flags + string(verb)
				requireClean(t, fmt.Sprintf(format, v), "%s of %T", format, v)
			}
		}
		for _, wrong := range []string{"", "%", "%[", "%[2]d", "%*d", "%.*d", "%!", "\xff%\xff"} {
			requireClean(t, fmt.Sprintf(wrong, v, v), "%q of %T", wrong, v)
		}
		requireClean(t, fmt.Sprint(v)+fmt.Sprintln(v)+string(fmt.Append(nil, v)), "print of %T", v)
		requireClean(t, fmt.Errorf("failed: %v, %w", v, errors.New("cause")).Error(), "an error with %T", v)
	}
}

// Where fmt can call methods there is the mark, alone.
func TestMark(t *testing.T) {
	v := text{redact.New(canary)}
	for _, verb := range strings.Trim(verbs, "%") {
		if strings.ContainsRune("Tpw", verb) { // types, addresses and errors, for which fmt does not ask
			continue
		}
		require.Equal(t, redact.Mark, fmt.Sprintf("%"+string(verb), v))
		require.Equal(t, redact.Mark, fmt.Sprintf("%+#"+string(verb), &v))
	}
	require.Equal(t, "{V:[redacted]}", fmt.Sprintf("%+v", struct{ V text }{v}))
	require.Equal(t, "map[k:[[redacted]]]", fmt.Sprint(map[string][]text{"k": {v}}))
	require.Equal(t, redact.Mark, v.String())
	require.Equal(t, redact.Mark, v.GoString())
	require.Equal(t, redact.Mark, fmt.Sprint(text{}), "as much as of any other, so that none is told apart")
	require.NotPanics(t, func() {
		_ = fmt.Sprintf("%v %+v %#v %s", (*text)(nil), struct{ V *text }{}, []*text{nil}, (*text)(nil))
	})

	var page strings.Builder
	require.NoError(t, template.Must(template.New("").Parse(`{{.}} <a title="{{.}}">{{printf "%v" .}}</a>`)).Execute(&page, v))
	require.Equal(t, 3, strings.Count(page.String(), redact.Mark), page.String())
}

func TestLogs(t *testing.T) {
	for _, v := range everything() {
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			l := slog.New(h)
			l.Info("m", "k", v)
			l.With("k", v).WithGroup("g").Warn("m", slog.Group("in", slog.Any("k", v)))
			l.Error("m", "err", fmt.Errorf("failed: %+v", v))
			l.Info("m", v) // a key is missing
		}
		log.New(&out, "", 0).Println(v)
		requireClean(t, out.String(), "a log of %T", v)
	}
	for _, v := range []any{text{redact.New(canary)}, &raw{redact.New([]byte(canary))}} {
		var asText, asJSON bytes.Buffer
		slog.New(slog.NewTextHandler(&asText, nil)).Info("m", "k", v)
		slog.New(slog.NewJSONHandler(&asJSON, nil)).Info("m", "k", v)
		require.Contains(t, asText.String(), "k="+redact.Mark)
		require.Contains(t, asJSON.String(), `"k":"`+redact.Mark+`"`)
	}
	require.NotPanics(t, func() { slog.New(slog.NewJSONHandler(&bytes.Buffer{}, nil)).Info("m", "k", (*text)(nil)) })
}

// Encoders fail. None writes a blank that is found only when the secret is needed.
func TestEncoders(t *testing.T) {
	encoders := map[string]func(any) ([]byte, error){
		"json": json.Marshal,
		"xml":  xml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var out bytes.Buffer
			err := gob.NewEncoder(&out).Encode(v)
			return out.Bytes(), err
		},
	}
	type named struct {
		XMLName xml.Name `xml:"x" json:"-"`
		Before  string
		V       raw
	}
	type attribute struct {
		V text `xml:"v,attr" json:"v,omitempty"`
	}
	type pointer struct {
		V *text `json:",omitzero"`
	}
	v := text{redact.New(canary)}
	bytesOf := raw{redact.New([]byte(canary))}
	for _, in := range []any{
		v, &v, bytesOf, v.hiddenText, []text{v}, [1]text{v}, []*text{&v}, named{V: bytesOf}, &named{V: bytesOf}, attribute{v}, pointer{&v}, text{},
	} {
		for name, encode := range encoders {
			out, err := encode(in)
			require.ErrorIs(t, err, redact.ErrEncode, "%s of %T", name, in)
			requireClean(t, string(out)+err.Error(), "%s of %T", name, in)
		}
	}
	for _, in := range []any{
		named{}, attribute{}, map[string]text{"k": v}, map[string]any{"k": []any{v}}, struct{ V any }{v}, exported[text]{V: v},
		struct {
			V text `json:",omitzero"`
		}{v},
	} {
		out, err := json.Marshal(in)
		require.ErrorIs(t, err, redact.ErrEncode, "%T", in)
		require.Empty(t, out)
		requireClean(t, err.Error(), "json of %T", in)
	}

	for name, m := range map[string]func() ([]byte, error){
		"text":   encoding.TextMarshaler(v).MarshalText,
		"binary": encoding.BinaryMarshaler(v).MarshalBinary,
		"json":   json.Marshaler(v).MarshalJSON,
	} {
		out, err := m()
		require.ErrorIs(t, err, redact.ErrEncode, name)
		require.Empty(t, out, name)
	}
	for _, in := range []any{v, &v, bytesOf} { // as a parameter of an SQL statement
		_, err := driver.DefaultParameterConverter.ConvertValue(in)
		require.Error(t, err)
		requireClean(t, err.Error(), "sql of %T", in)
	}

	for _, in := range []string{`"` + canary + `"`, `1`, `[1]`} { // nor is one read by accident
		require.Error(t, json.Unmarshal([]byte(in), &text{}), in)
	}
	var read text
	_ = json.Unmarshal([]byte(`{"p":"`+canary+`","P":"x","hiddenText":{"p":"x"}}`), &read)
	require.True(t, read.IsZero())
}

func TestOpen(t *testing.T) {
	require.Equal(t, canary, redact.Open(redact.New(canary)))
	require.Equal(t, []byte(canary), redact.Open(raw{redact.New([]byte(canary))}.hiddenBytes))
	require.Empty(t, redact.Open(redact.Value[string]{}))
	require.Nil(t, redact.Open(redact.Value[[]byte]{}))
	require.Zero(t, redact.Open(redact.Value[pair]{}))

	require.True(t, redact.Value[string]{}.IsZero())
	require.True(t, text{}.IsZero())
	require.False(t, redact.New(canary).IsZero())
	require.False(t, redact.New("").IsZero(), "something is hidden, though it is empty")

	v := redact.New(canary)
	copied := v
	require.Equal(t, canary, redact.Open(copied))
}

func TestLater(t *testing.T) {
	made := 0
	v := redact.Later(func() string { made++; return canary })
	require.Equal(t, redact.Mark, fmt.Sprint(v))
	require.False(t, v.IsZero())
	require.Zero(t, made, "it is made though nobody has opened it")
	for range 2 {
		require.Equal(t, canary, redact.Open(v))
	}
	require.Equal(t, 1, made)
}
