package smtp_test

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net"
	"net/mail"
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

	mu   sync.Mutex
	busy int // mails that it refuses for now
	hang bool
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
		switch verb {
		case "EHLO", "HELO":
			say("250 mail.acme.test")
		case "MAIL":
			m = received{from: line}
			say("250 OK")
		case "RCPT":
			m.to = append(m.to, line)
			if busy {
				say("451 try again later")
			} else {
				say("250 OK")
			}
		case "DATA":
			say("354 go on")
			if m.data, err = c.ReadDotBytes(); err != nil {
				return
			}
			say("250 taken")
			s.mails <- m
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
		"taken": func(*server) {},
		"busy":  func(s *server) { s.busy = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			c(s)
			svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Notices = true })
			out := smtp.Server{Address: s.address, From: mail.Address{Name: "Acme", Address: "no-reply@acme.test"}}
			sink, err := email.New(email.Config{
				Name: "Acme", Page: "https://acme.test/settings/security", Send: out.Send,
				Recipient: func(context.Context, string) (email.Recipient, error) {
					return email.Recipient{Addresses: []string{"ada@acme.test", "eve@acme.test\r\nRCPT TO:<all@acme.test>", "ada@home.test"}, Language: "de"}, nil
				},
			})
			require.NoError(t, err)
			n, err := notify.New(svc.Service, notify.Config{Every: 100 * time.Millisecond})
			require.NoError(t, err)
			user := svc.Enroll(t, "ada")
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- n.Drain(ctx, sink) }()
			m := <-s.mails
			require.Eventually(t, func() bool { // the server has said that it has the mail
				lag, err := n.Lag(ctx)
				return err == nil && lag == notify.Lag{}
			}, time.Minute, time.Millisecond)
			stop()
			require.ErrorIs(t, <-done, context.Canceled)
			require.Equal(t, "MAIL FROM:<no-reply@acme.test>", m.from)
			require.Equal(t, []string{"RCPT TO:<ada@acme.test>", "RCPT TO:<ada@home.test>"}, m.to)
			got, err := mail.ReadMessage(bytes.NewReader(m.data))
			require.NoError(t, err)
			subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
			require.NoError(t, err)
			require.Contains(t, subject, "Acme: ")
			require.Equal(t, "de", got.Header.Get("Content-Language"))
			require.NotEmpty(t, user.AuthenticatorID)
			require.Empty(t, s.mails, "one mail")
		})
	}
	t.Run("hangs", func(t *testing.T) {
		s := newServer(t)
		s.hang = true
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		out := smtp.Server{Address: s.address, From: mail.Address{Address: "no-reply@acme.test"}}
		go func() { failed <- out.Send(ctx, email.Message{ID: "x", To: []string{"ada@acme.test"}}) }()
		cancel()
		require.Error(t, <-failed)
	})
}
