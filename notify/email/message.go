package email

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
)

// Message is a mail to one address, so that nobody sees another address of the owner.
type Message struct {
	// ID is the notice's. A mail that is sent again, or to another address, has the same.
	ID       string
	To       string // a plain address
	Language string // of the text
	Subject  string // one line
	Text     string
	HTML     string
}

// MIME returns the mail as it is sent (RFC 5322), with both texts. Its Message-ID is of the notice and the address, so that a
// mail that is sent twice can be seen to be the same. It is gatehouse.ErrInvalid where from or To is no plain address.
func (m Message) MIME(from mail.Address, at time.Time) ([]byte, error) {
	if !isPlain(m.To) || !isPlain(from.Address) || oneLine(from.Name) != from.Name || oneLine(m.ID) != m.ID {
		return nil, fmt.Errorf("%w: an address that cannot be written into a mail", gatehouse.ErrInvalid)
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	to := sha256.Sum256([]byte(m.To))
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	for _, h := range [][2]string{
		{"From", from.String()}, {"To", m.To}, {"Subject", mime.QEncoding.Encode("utf-8", oneLine(m.Subject))},
		{"Date", at.UTC().Format(time.RFC1123Z)}, {"Message-ID", fmt.Sprintf("<%s.%x@%s>", m.ID, to[:6], domain)}, {"Auto-Submitted", "auto-generated"},
		{"Content-Language", m.Language}, {"MIME-Version", "1.0"}, {"Content-Type", `multipart/alternative; boundary="` + parts.Boundary() + `"`},
	} {
		_, _ = fmt.Fprintf(&body, "%s: %s\r\n", h[0], h[1])
	}
	body.WriteString("\r\n")
	for _, p := range [][2]string{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		w, err := parts.CreatePart(textproto.MIMEHeader{
			"Content-Type": {p[0] + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
		})
		if err != nil {
			return nil, err
		}
		q := quotedprintable.NewWriter(w)
		if _, err := q.Write([]byte(p[1])); err != nil {
			return nil, err
		}
		if err := q.Close(); err != nil {
			return nil, err
		}
	}
	if err := parts.Close(); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}
