// Package smtp sends the mails of package notify/email through a mail server. Copy it.
package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/notify/email"
)

// Server is a mail server that takes mails of the service.
type Server struct {
	Address string // "mail.acme.test:587"
	From    mail.Address
	Auth    smtp.Auth // nil: none
	// TLS is used with STARTTLS, and without it nothing is sent; new(tls.Config) checks the name in Address. nil: the mail
	// is sent in the clear, which is for a server on the same machine.
	TLS *tls.Config
}

// Send hands a mail to the server. It is told that the server has taken it, and not that anybody has read it. An address
// that the server knows nobody behind is email.ErrRefused.
func (s Server) Send(ctx context.Context, m email.Message) error {
	data, err := m.MIME(s.From, time.Now())
	if err != nil {
		return err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // net/smtp knows no context
	defer stop()
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return err
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if err := s.greet(c, host, m.To); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	if err := w.Close(); err != nil { // by now the server has taken it
		return err
	}
	_ = c.Quit() // what becomes of that changes nothing
	return nil
}

// greet does what comes before the mail itself.
func (s Server) greet(c *smtp.Client, host, to string) error {
	if s.TLS != nil {
		conf := s.TLS.Clone()
		if conf.ServerName == "" {
			conf.ServerName = host
		}
		if err := c.StartTLS(conf); err != nil { // also of a server that offers none
			return err
		}
	}
	if s.Auth != nil {
		if err := c.Auth(s.Auth); err != nil {
			return err
		}
	}
	if err := c.Mail(s.From.Address); err != nil {
		return err
	}
	err := c.Rcpt(to)
	if answer, ok := errors.AsType[*textproto.Error](err); ok && noMailbox(answer) {
		return fmt.Errorf("%w: %w", email.ErrRefused, err)
	}
	return err
}

// noMailbox reports whether an answer to RCPT is about the address (RFC 5321 §4.2.3, RFC 7504). Many servers say 550 also
// to a sender whom they do not trust, with an enhanced code of 5.7 (RFC 3463): that is no reason to give an address up.
func noMailbox(answer *textproto.Error) bool {
	switch answer.Code {
	case 550, 551, 553, 556:
		return !strings.HasPrefix(answer.Msg, "5.7.")
	}
	return false
}
