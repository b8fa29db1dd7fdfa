package email_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/words"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/notify/email"
)

var at = time.Date(2026, 3, 1, 9, 5, 0, 0, time.UTC)

// host is a host with one owner, and the mails that it was given to send.
type host struct {
	t    *testing.T
	to   email.Recipient
	err  error
	sent []email.Message
}

func (h *host) sink() notify.Sink {
	h.t.Helper()
	sink, err := email.New(email.Config{
		Name: "Acme", Page: "https://acme.test/settings/security/",
		Recipient: func(context.Context, string) (email.Recipient, error) { return h.to, h.err },
		Send:      func(_ context.Context, m email.Message) error { h.sent = append(h.sent, m); return h.err },
	})
	require.NoError(h.t, err)
	return sink
}

// mailOf returns the mail of a notice.
func (h *host) mailOf(n event.Notice) email.Message {
	h.t.Helper()
	h.sent = nil
	require.NoError(h.t, h.sink().Deliver(h.t.Context(), n))
	require.NotEmpty(h.t, h.sent)
	return h.sent[0]
}

func owner(t *testing.T, language string) *host {
	return &host{t: t, to: email.Recipient{Addresses: []string{"ada@acme.test", "ada@home.test"}, Language: language}}
}

var used = event.Notice{ID: "0b4cb7c6-8e06-4f0e-9c37-0d1a4a5b3f66", Event: event.Event{
	Kind: event.RecoveryCodeUsed, AccountID: "user-42", At: at, Address: "203.0.113.24", Agent: "firefox/linux", Count: 3, First: at.Add(-time.Hour), Number: 7,
}}

// A mail says what, when, how often and from where, and what to do, in plain text and HTML.
func TestMail(t *testing.T) {
	m := owner(t, "").mailOf(used)
	require.Equal(t, used.ID, m.ID)
	require.Equal(t, "ada@acme.test", m.To)
	require.Equal(t, "Acme: You used a recovery code", m.Subject)
	require.Equal(t, `You used a recovery code

When: 1 Mar 2026, 09:05 UTC
From where: 203.0.113.24 · Firefox on Linux
How often: 3 times
Since: 1 Mar 2026, 08:05 UTC

If this was you, there is nothing to do.

If it was not you, protect your account now. This page takes you through it, and nothing happens until you say so:
https://acme.test/settings/security/activity/plan?entry=7

`+"-- "+`
You get this message because it is about the security of your account. It goes to every address that we have of you.

`, m.Text)
	require.Contains(t, m.HTML, `<a href="https://acme.test/settings/security/activity/plan?entry=7"`)
	require.Contains(t, m.HTML, "This wasn’t me")
	require.NotContains(t, m.HTML, "<img", "nothing is loaded, so nobody is followed")
	require.NotContains(t, m.HTML, "<script")

	by := owner(t, "").mailOf(event.Notice{ID: "x", Event: event.Event{Kind: event.AccountSuspended, At: at, OperatorID: "<b>ada</b>", Reason: "<i>ticket</i> 4711"}})
	require.Contains(t, by.Text, "Your account was suspended by support (<b>ada</b>)\nReason: <i>ticket</i> 4711\n")
	require.NotContains(t, by.Text, "If this was you")
	require.Contains(t, by.Text, "/activity/plan\n", "of no entry")
	require.Contains(t, by.HTML, "&lt;i&gt;ticket&lt;/i&gt; 4711")
	require.NotContains(t, by.HTML, "<b>ada")
}

// Every kind that is told has a sentence in every language, which is no other kind's, and nothing is left unsaid.
func TestLanguages(t *testing.T) {
	kinds := []event.Kind{
		event.AuthenticatorAdded, event.AuthenticatorRemoved, event.RecoveryCodeUsed, event.RecoveryCodesRegenerated, event.RecoveryCodesLow, event.TwoFactorOff,
		event.MethodLocked, event.ManyFailures, event.PasskeySuspect, event.AccountReset, event.OperatorCodeUsed, event.AccountSuspended, event.AccountResumed,
		event.AccountRestored, event.TokenMinted, event.TokenReused, event.TokenRevoked, event.ServiceTokenMinted,
	}
	key := regexp.MustCompile(`[a-z]+\.[a-z_]+\b|[{}]`)
	for _, tag := range words.Tags() {
		subjects := map[string]bool{}
		for _, method := range []event.Method{event.MethodTOTP, event.MethodPasskey} {
			for _, kind := range kinds {
				n := used
				n.Kind, n.Method, n.AuthenticatorName = kind, method, "Telefon"
				m := owner(t, tag).mailOf(n)
				require.Equal(t, tag, m.Language)
				require.NotContains(t, m.Subject, "Telefon", "names are chosen by somebody")
				subjects[m.Subject] = true
				said := strings.NewReplacer("https://acme.test/settings/security/activity/plan?entry=7", "", "203.0.113.24", "").Replace(m.Subject + m.Text)
				require.Empty(t, key.FindString(said), "%s: %s", tag, said)
				require.Contains(t, m.HTML, `lang="`+tag+`"`)
				require.Equal(t, tag == "ar", strings.Contains(m.HTML, `dir="rtl"`))
				require.NotContains(t, m.Subject+m.Text, "\u00ad")
				_, err := m.MIME(mail.Address{Address: "no-reply@acme.test"}, at)
				require.NoError(t, err)
			}
		}
		require.GreaterOrEqual(t, len(subjects), len(kinds), tag)
	}
	require.Equal(t, "de", owner(t, "de-AT, en;q=0.5").mailOf(used).Language)
	require.Equal(t, "en", owner(t, "tlh").mailOf(used).Language)
}

// No address, name or text gets another line into a mail's header, and good addresses are written to beside bad ones.
func TestHeaders(t *testing.T) {
	bad := []string{
		"eve@acme.test\r\nBcc: all@acme.test", "eve@acme.test\nX: y", "\r\neve@acme.test", "eve@acme.test\r\n\r\nbody", "eve@acme.test, all@acme.test", "Eve <eve@acme.test>",
		"eve@acme.test\x00", "eve", "", "@acme.test", "eve@acme.test\u2028X: y", "eve@acme.test (\r\n X: y)", "eve@acme.test\u00ad",
	}
	h := owner(t, "")
	h.to.Addresses = append(append([]string{}, bad...), "ada@acme.test", "ada@acme.test")
	m := h.mailOf(used)
	require.Equal(t, "ada@acme.test", m.To)
	require.Len(t, h.sent, 1)
	h.to.Addresses = bad
	require.Error(t, h.sink().Deliver(t.Context(), used), "it waits until the host has fixed them")
	h.to.Addresses = nil
	require.NoError(t, h.sink().Deliver(t.Context(), used), "there is nobody to tell")
	require.Len(t, h.sent, 1)

	n := used
	n.Kind, n.AuthenticatorName, n.OperatorID, n.Reason = event.AuthenticatorAdded, "Phone\r\nBcc: all@acme.test", "op\r\nBcc: all@acme.test", "x\r\nBcc: all@acme.test"
	n.ID = "id\r\nBcc: all@acme.test"
	m = owner(t, "fr").mailOf(n)
	from := mail.Address{Name: "Acmé", Address: "no-reply@acme.test"}
	_, err := m.MIME(from, at)
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	m.ID, m.Subject = used.ID, "Subject\r\nBcc: all@acme.test"
	for _, address := range bad {
		_, err := (email.Message{ID: "x", To: address}).MIME(from, at)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, "%q", address)
		_, err = m.MIME(mail.Address{Address: address}, at)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, "%q", address)
	}
	_, err = m.MIME(mail.Address{Name: "Acme\r\nBcc: all@acme.test", Address: from.Address}, at)
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	_, err = (email.Message{ID: "x"}).MIME(from, at)
	require.ErrorIs(t, err, gatehouse.ErrInvalid, "to nobody")

	data, err := m.MIME(from, at)
	require.NoError(t, err)
	for line := range strings.SplitSeq(string(data), "\r\n") {
		require.LessOrEqual(t, len(line), 998)
		require.NotContains(t, line, "\n", "each line ends as one of a mail")
	}
	got, err := mail.ReadMessage(strings.NewReader(string(data)))
	require.NoError(t, err)
	require.Empty(t, got.Header.Get("Bcc"))
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, "SubjectBcc: all@acme.test", subject)
	require.Equal(t, "<"+used.ID+".3ba15ffe92f6@acme.test>", got.Header.Get("Message-ID"))
	_, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	require.NoError(t, err)
	parts := multipart.NewReader(got.Body, params["boundary"])
	for _, want := range []string{m.Text, m.HTML} {
		part, err := parts.NextPart() // which decodes quoted-printable
		require.NoError(t, err)
		body, err := io.ReadAll(part)
		require.NoError(t, err)
		unix := strings.NewReplacer("\r\n", "\n")
		require.Equal(t, strings.TrimRight(unix.Replace(want), "\n"), strings.TrimRight(unix.Replace(string(body)), "\n"))
	}
}

// What the host's functions say is what the sink says, so that a mail which was not sent is tried again.
func TestFaults(t *testing.T) {
	h := owner(t, "")
	h.err = errors.New("no mail today")
	require.ErrorIs(t, h.sink().Deliver(t.Context(), used), h.err)
	require.Empty(t, h.sent, "whose it is is not known")
	recipient := func(context.Context, string) (email.Recipient, error) { return h.to, nil }
	send := func(context.Context, email.Message) error { return h.err }
	good := email.Config{Name: "Acme", Page: "https://acme.test/settings/security", Recipient: recipient, Send: send}
	sink, err := email.New(good)
	require.NoError(t, err)
	require.ErrorIs(t, sink.Deliver(t.Context(), used), h.err)
	for name, edit := range map[string]func(*email.Config){
		"no name": func(c *email.Config) { c.Name = "" }, "two lines": func(c *email.Config) { c.Name = "A\nB" }, "long": func(c *email.Config) { c.Name = strings.Repeat("a", 101) },
		"no page": func(c *email.Config) { c.Page = "" }, "a path": func(c *email.Config) { c.Page = "/settings/security" }, "a query": func(c *email.Config) { c.Page += "?a=b" },
		"a script": func(c *email.Config) { c.Page = "javascript://acme.test/" }, "nobody": func(c *email.Config) { c.Recipient = nil }, "no way": func(c *email.Config) { c.Send = nil },
	} {
		c := good
		edit(&c)
		_, err := email.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
	}
}

func Example() {
	ctx := context.Background()
	addressesOf := func(string) []string { return []string{"ada@acme.test", "ada@home.test"} } // in your table of users
	yourSMTP := func(m email.Message) error { fmt.Println(m.To, m.Subject); return nil }

	sink, err := email.New(email.Config{
		Name: "Acme", Page: "https://acme.test/settings/security",
		Recipient: func(ctx context.Context, account string) (email.Recipient, error) {
			return email.Recipient{Addresses: addressesOf(account), Language: "en"}, nil
		},
		Send: func(ctx context.Context, m email.Message) error { return yourSMTP(m) },
	})
	fmt.Println(err)
	fmt.Println(sink.Deliver(ctx, used)) // which Drain does
	// Output:
	// <nil>
	// ada@acme.test Acme: You used a recovery code
	// ada@home.test Acme: You used a recovery code
	// <nil>
}

func ExampleMessage_MIME() {
	m := email.Message{ID: "0b4cb7c6", To: "ada@acme.test", Subject: "Acme: You used a recovery code", Text: "…", HTML: "<p>…</p>"}
	data, err := m.MIME(mail.Address{Name: "Acme", Address: "no-reply@acme.test"}, at)
	header, _, _ := strings.Cut(string(data), "\r\nMIME-Version")
	fmt.Println(strings.ReplaceAll(header, "\r\n", "\n"), err)
	// Output:
	// From: "Acme" <no-reply@acme.test>
	// To: ada@acme.test
	// Subject: Acme: You used a recovery code
	// Date: Sun, 01 Mar 2026 09:05:00 +0000
	// Message-ID: <0b4cb7c6.3ba15ffe92f6@acme.test>
	// Auto-Submitted: auto-generated
	// Content-Language:  <nil>
}
