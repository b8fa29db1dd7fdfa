package smtp_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"net"
	"net/mail"
	netsmtp "net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/examples/smtp"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/notify/email"
)

// server is a mail server as RFC 5321 has it, as far as a client needs it.
type server struct {
	t       *testing.T
	address string
	mails   chan received

	mu    sync.Mutex
	busy  int               // mails that it refuses for now
	rcpts map[string]string // what it answers of an address, if not 250
	hang  bool
	tls   *tls.Config // nil: it offers no STARTTLS
	clear []string    // the verbs that came in the clear
}

type received struct {
	from string
	to   []string
	data []byte
}

func newServer(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &server{t: t, address: l.Addr().String(), mails: make(chan received, 10)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

// state returns whether the server hangs, and whether it refuses this mail.
func (s *server) state() (hang, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy > 0 {
		s.busy--
		return s.hang, true
	}
	return s.hang, false
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	c := textproto.NewConn(conn)
	secret := false
	say := func(line string) { _ = c.PrintfLine("%s", line) }
	hang, busy := s.state()
	if hang {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	say("220 mail.acme.test ESMTP")
	var m received
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		if !secret {
			s.mu.Lock()
			s.clear = append(s.clear, verb)
			s.mu.Unlock()
		}
		switch verb {
		case "EHLO", "HELO":
			if s.tls != nil && !secret {
				say("250-mail.acme.test")
				say("250 STARTTLS")
			} else {
				say("250-mail.acme.test")
				say("250 AUTH PLAIN")
			}
		case "AUTH":
			say("235 welcome")
		case "MAIL":
			m = received{from: line}
			say("250 OK")
		case "RCPT":
			m.to = append(m.to, line)
			answer := s.rcpts[strings.TrimSuffix(strings.TrimPrefix(line, "RCPT TO:<"), ">")]
			switch {
			case busy:
				say("451 try again later")
			case answer != "":
				say(answer)
			default:
				say("250 OK")
			}
		case "DATA":
			say("354 go on")
			if m.data, err = c.ReadDotBytes(); err != nil {
				return
			}
			say("250 taken")
			s.mails <- m
		case "STARTTLS":
			if s.tls == nil {
				say("502 what?")
				continue
			}
			say("220 go on")
			conn, secret = tls.Server(conn, s.tls), true
			c = textproto.NewConn(conn)
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 what?")
		}
	}
}

// A notice becomes a mail at a real server, through everything in between: also where the server is busy first, and where
// it hangs, until the time for it is over.
func TestMailOfANotice(t *testing.T) {
	for name, c := range map[string]func(s *server){
		"taken":  func(*server) {},
		"busy":   func(s *server) { s.busy = 1 },
		"nobody": func(s *server) { s.rcpts = map[string]string{"old@acme.test": "550 5.1.1 <old@acme.test> unknown"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			c(s)
			svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Notices = true })
			out := smtp.Server{Address: s.address, From: mail.Address{Name: "Acme", Address: "no-reply@acme.test"}}
			sink, err := email.New(email.Config{
				Name: "Acme", Page: "https://acme.test/settings/security", Send: out.Send, Faults: slog.New(slog.DiscardHandler),
				Recipient: func(context.Context, string) (email.Recipient, error) {
					addresses := []string{"ada@acme.test", "eve@acme.test\r\nRCPT TO:<all@acme.test>", "ada@home.test"}
					if s.rcpts != nil {
						addresses = append([]string{"old@acme.test"}, addresses...)
					}
					return email.Recipient{Addresses: addresses, Language: "de"}, nil
				},
			})
			require.NoError(t, err)
			n, err := notify.New(svc.Service, notify.Config{Every: 100 * time.Millisecond})
			require.NoError(t, err)
			user := svc.Enroll(t, "ada")
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- n.Drain(ctx, sink) }()
			mails := []received{<-s.mails, <-s.mails}
			require.Eventually(t, func() bool { // the server has said that it has the mail
				lag, err := n.Lag(ctx)
				return err == nil && lag == notify.Lag{}
			}, time.Minute, time.Millisecond)
			stop()
			require.ErrorIs(t, <-done, context.Canceled)
			to := []string{}
			for _, m := range mails {
				require.Equal(t, "MAIL FROM:<no-reply@acme.test>", m.from)
				require.Len(t, m.to, 1, "nobody sees another address")
				to = append(to, m.to...)
				got, err := mail.ReadMessage(bytes.NewReader(m.data))
				require.NoError(t, err)
				require.Equal(t, m.to[0], "RCPT TO:<"+got.Header.Get("To")+">")
				subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
				require.NoError(t, err)
				require.Contains(t, subject, "Acme: ")
				require.Equal(t, "de", got.Header.Get("Content-Language"))
			}
			require.ElementsMatch(t, []string{"RCPT TO:<ada@acme.test>", "RCPT TO:<ada@home.test>"}, to)
			require.NotEmpty(t, user.AuthenticatorID)
			require.Empty(t, s.mails, "each once")
		})
	}
	t.Run("hangs", func(t *testing.T) {
		s := newServer(t)
		s.hang = true
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		out := smtp.Server{Address: s.address, From: mail.Address{Address: "no-reply@acme.test"}}
		go func() { failed <- out.Send(ctx, email.Message{ID: "x", To: "ada@acme.test"}) }()
		cancel()
		require.Error(t, <-failed)
	})
}

// Only what the server says of the address itself is a refusal of it.
func TestRefused(t *testing.T) {
	for answer, refused := range map[string]bool{
		"550 5.1.1 unknown": true, "550 No such user here": true, "551 moved": true, "553 not a mailbox": true, "556 no mails here": true,
		"550 5.7.1 your address is on a list": false, "552 full": false, "554 no": false, "451 later": false, "421 too much": false, "530 log in first": false,
	} {
		s := newServer(t)
		s.rcpts = map[string]string{"ada@acme.test": answer}
		out := smtp.Server{Address: s.address, From: mail.Address{Address: "no-reply@acme.test"}}
		err := out.Send(t.Context(), email.Message{ID: "x", To: "ada@acme.test"})
		require.Error(t, err)
		require.Equal(t, refused, errors.Is(err, email.ErrRefused), answer)
	}
}

// Where TLS is asked for, neither the password nor the mail goes out without it: not to a server that offers none, and not
// to one that cannot show who it is.
func TestStartTLS(t *testing.T) {
	made, roots := certificate(t)
	for name, c := range map[string]struct {
		offers *tls.Config
		wants  *tls.Config
		taken  bool
	}{
		"taken":          {&tls.Config{Certificates: []tls.Certificate{made}}, &tls.Config{RootCAs: roots}, true},
		"offers none":    {nil, &tls.Config{RootCAs: roots}, false},
		"is nobody":      {&tls.Config{Certificates: []tls.Certificate{made}}, &tls.Config{RootCAs: x509.NewCertPool()}, false},
		"is another one": {&tls.Config{Certificates: []tls.Certificate{made}}, &tls.Config{RootCAs: roots, ServerName: "mail.acme.test"}, false},
	} {
		s := newServer(t)
		s.tls = c.offers
		out := smtp.Server{
			Address: s.address, From: mail.Address{Address: "no-reply@acme.test"}, TLS: c.wants, Auth: netsmtp.PlainAuth("", "acme", "password", "127.0.0.1"),
		}
		err := out.Send(t.Context(), email.Message{ID: "x", To: "ada@acme.test"})
		require.Equal(t, c.taken, err == nil, "%s: %v", name, err)
		require.Equal(t, c.taken, len(s.mails) == 1, name)
		s.mu.Lock()
		for _, verb := range s.clear {
			require.Contains(t, []string{"EHLO", "STARTTLS", "QUIT"}, verb, name)
		}
		require.Contains(t, s.clear, "STARTTLS", name)
		s.mu.Unlock()
	}
}

// certificate returns one of 127.0.0.1 that it has signed itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
