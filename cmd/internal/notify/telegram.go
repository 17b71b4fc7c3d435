package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"

	"github.com/turbone/jarvis/healer/alert"
)

// chat is one Telegram chat. The addresses are the library's, the requests are
// our own: the library takes an answer that is no JSON, and a connection that
// is refused, for a delivered message, and takes no context.
type chat struct {
	endpoint string // holds the token
	hide     scrubber
	client   *http.Client
	silent   bool
	preview  bool
	thread   int

	mu sync.Mutex
	id string
}

// openTelegram reads telegram://TOKEN@telegram?chats=ID,@CHANNEL. A host other
// than "telegram" is a Bot API server of one's own.
func openTelegram(u *url.URL, hide scrubber, transport http.RoundTripper) ([]alert.Sender, error) {
	// Defaults as in the library.
	c := telegram.Config{Preview: true, Notification: true}
	if err := c.SetURL(u); err != nil {
		what := hide.scrub(err.Error())
		switch {
		case errors.Is(err, telegram.ErrInvalidToken):
			what = "the bot's token is not of the form 123456:ABC-def"
		case errors.Is(err, telegram.ErrNoChannelsDefined):
			what = "no chat is named: ?chats=ID or ?chats=@CHANNEL"
		}
		return nil, fmt.Errorf("telegram: %s; it looks like telegram://TOKEN@telegram?chats=ID", what)
	}
	base := "https://api.telegram.org"
	if u.Host != "telegram" {
		base = "https://" + u.Host
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			base = "http://" + u.Host
		}
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var chats []alert.Sender
	for _, name := range c.Chats {
		one := &chat{
			endpoint: base + "/bot" + c.Token + "/sendMessage", hide: hide, client: client,
			silent: !c.Notification, preview: c.Preview, id: name,
		}
		if id, thread, ok := strings.Cut(name, ":"); ok {
			n, err := strconv.Atoi(thread)
			if err != nil {
				return nil, errors.New("telegram: what follows the : of a chat is the number of a topic")
			}
			one.id, one.thread = id, n
		}
		chats = append(chats, one)
	}
	return chats, nil
}

func (c *chat) Name() string { return "telegram" }

// telegramReply is the Bot API's answer to every request.
type telegramReply struct {
	OK          bool   `json:"ok"`
	ErrorCode   int    `json:"error_code"`
	Description string `json:"description"`
	Parameters  struct {
		RetryAfter    int   `json:"retry_after"`
		MigrateToChat int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// Send delivers text. A group that became a supergroup since has another id,
// which Telegram tells and is used from then on.
func (c *chat) Send(ctx context.Context, text string) error {
	reply, err := c.post(ctx, text)
	if err == nil && !reply.OK && reply.Parameters.MigrateToChat != 0 {
		c.mu.Lock()
		c.id = strconv.FormatInt(reply.Parameters.MigrateToChat, 10)
		c.mu.Unlock()
		reply, err = c.post(ctx, text)
	}
	switch {
	case err != nil:
		return err
	case reply.OK:
		return nil
	}
	return &alert.SendError{
		RetryAfter: time.Duration(reply.Parameters.RetryAfter) * time.Second,
		Permanent:  reply.ErrorCode >= 400 && reply.ErrorCode < 500 && reply.ErrorCode != http.StatusTooManyRequests,
		Err:        fmt.Errorf("%d %s", reply.ErrorCode, c.hide.scrub(reply.Description)),
	}
}

// post makes one request. An answer that is not Telegram's is an error.
func (c *chat) post(ctx context.Context, text string) (telegramReply, error) {
	c.mu.Lock()
	body := map[string]any{"chat_id": c.id, "text": text, "disable_notification": c.silent, "disable_web_page_preview": !c.preview}
	c.mu.Unlock()
	if c.thread != 0 {
		body["message_thread_id"] = c.thread
	}
	b, err := json.Marshal(body)
	if err != nil {
		return telegramReply{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(b))
	if err != nil {
		return telegramReply{}, errors.New(c.hide.scrub(err.Error()))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which holds the token
		}
		return telegramReply{}, errors.New(c.hide.scrub(err.Error()))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return telegramReply{}, errors.New(c.hide.scrub(err.Error()))
	}
	var reply telegramReply
	if json.Unmarshal(answer, &reply) != nil || !reply.OK && reply.ErrorCode == 0 {
		after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return reply, &alert.SendError{
			RetryAfter: time.Duration(max(0, min(after, 3600))) * time.Second,
			Err:        fmt.Errorf("HTTP %d, and the answer is not Telegram's", resp.StatusCode),
		}
	}
	return reply, nil
}
