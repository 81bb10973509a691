package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"bmsync/examples/lab/labtest"
)

// world is where a scenario plays.
type world string

const (
	// onLab is from the lab's Dovecot to its Cyrus, behind a BlueMind 4.
	onLab world = "lab"
	// onCore is from a source that makes its messages up to a BlueMind 5, as the
	// simulator is one: plain APPEND alone.
	onCore world = "core"
)

// scenario is what is copied, and where.
type scenario struct {
	Name     string
	Text     string
	World    world
	Accounts int
	Folders  int // of each account, INBOX among them
	Messages int // of each folder
	Parallel int // accounts at a time, for every tool
	Tools    string
	Once     bool                             // one run tells all: what counts is memory, or the servers' own pace
	Long     bool                             // -quick makes it a tenth
	Rate     int64                            // octets a second that the target takes of each user; 0: any
	Burst    int64                            // and at once; it is the largest message as well
	size     func(n uint32, r *rand.Rand) int // of a folder's n-th message
}

func (s scenario) total() int { return s.Accounts * s.Folders * s.Messages }

// million has commands of its own.
const million = "million"

// What -scenarios may name, in the order of the table.
var scenarios = []scenario{
	{Name: "small", Text: "1 account, 20,000 small messages", World: onLab, Accounts: 1, Folders: 1, Messages: 20000, Parallel: 1, size: small},
	{Name: "realistic", Text: "10 accounts, 1,500 realistic messages each", World: onLab, Accounts: 10, Folders: 1, Messages: 1500, Parallel: 4, size: realistic},
	{Name: "many", Text: "40 accounts, 50 messages each in 5 folders", World: onLab, Accounts: 40, Folders: 5, Messages: 10, Parallel: 4, size: small},
	{Name: "plain", Text: "1 account, 20,000 small messages, plain APPEND", World: onCore, Accounts: 1, Folders: 1, Messages: 20000, Parallel: 1,
		Tools: "limit,bmsync", size: small},
	{Name: "plain-realistic", Text: "10 accounts, 1,500 realistic messages each, plain APPEND", World: onCore, Accounts: 10, Folders: 1, Messages: 1500, Parallel: 4,
		Tools: "limit,bmsync", size: realistic},
	{Name: "rate", Text: "50 accounts at once, 20 MiB each, at 1 MiB/s a user", World: onCore, Accounts: 50, Folders: 1, Messages: 200, Parallel: 50,
		Tools: "bmsync", Once: true, Rate: 1 << 20, Burst: 2 << 20, size: letters},
	{Name: "fifty", Text: "50 accounts at once, each with a message of 40 MB", World: onCore, Accounts: 50, Folders: 1, Messages: 60, Parallel: 50,
		Tools: "bmsync", Once: true, Burst: 100 << 20, size: withGiants},
	{Name: million, Text: "1 account, 1,000,000 messages in one folder", World: onCore, Accounts: 1, Folders: 1, Messages: 1_000_000, Parallel: 1,
		Tools: "bmsync", Once: true, Long: true, size: tiny},
}

func scenarioNames() (names []string) {
	for _, s := range scenarios {
		names = append(names, s.Name)
	}
	return names
}

// tenth has a tenth of the messages.
func (s scenario) tenth() scenario {
	s.Messages /= 10
	s.Text += ", a tenth of it"
	return s
}

func scenarioNamed(name string) (scenario, bool) {
	for _, s := range scenarios {
		if s.Name == name {
			return s, true
		}
	}
	return scenario{}, false
}

// small is 1.4 to 7.4 kB.
func small(_ uint32, r *rand.Rand) int { return 1400 + r.IntN(6000) }

// realistic has the long tail of real mailboxes: the median is 9 kB, the mean
// about 70 kB, the largest 8 MB.
func realistic(_ uint32, r *rand.Rand) int {
	return int(min(max(9000*math.Exp(2.05*r.NormFloat64()), 900), 8<<20))
}

// letters are 5 to 200 kB.
func letters(_ uint32, r *rand.Rand) int { return 5_000 + r.IntN(195_000) }

// withGiants is realistic up to 1 MiB, and one in sixty is of 40 MB.
func withGiants(n uint32, r *rand.Rand) int {
	if n%60 == 30 {
		return 40_000_000
	}
	return min(realistic(n, r), 1<<20)
}

// tiny is 400 to 700 bytes, so that a million fit a disk.
func tiny(_ uint32, r *rand.Rand) int { return 400 + r.IntN(300) }

const folderNames = "INBOX,Sent,Projects,Projects/2024,Clients"

func (s scenario) folders() []string { return strings.Split(folderNames, ",")[:s.Folders] }

// sizeOf is a message's size by its place: always the same.
func (s scenario) sizeOf(login, mailbox string, uid uint32) int64 {
	h := fnv.New64a()
	h.Write([]byte(login + "/" + mailbox))
	return int64(s.size(uid, rand.New(rand.NewPCG(h.Sum64(), uint64(uid)))))
}

// corpus makes the messages of one folder, always the same ones.
func (s scenario) corpus(account, folder int) []labtest.Message {
	r := rand.New(rand.NewPCG(uint64(account)+1, uint64(folder)+1))
	out := make([]labtest.Message, s.Messages)
	at := time.Date(2019, 1, 1, 8, 0, 0, 0, time.UTC)
	for i := range out {
		at = at.Add(time.Duration(1+r.IntN(7200)) * time.Second)
		var flags []string
		if r.IntN(5) > 0 {
			flags = append(flags, `\Seen`)
		}
		if r.IntN(10) == 0 {
			flags = append(flags, `\Answered`)
		}
		out[i] = labtest.Message{Body: body(r, fmt.Sprintf("%d.%d.%d", account, folder, i), at, s.size(uint32(i+1), r)), Flags: flags, InternalDate: at}
	}
	return out
}

const words = "the quick plan for next week is attached please read it before the meeting and send what lacks to all of us "

func body(r *rand.Rand, id string, at time.Time, size int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: Ada Martin <ada@old.example>\r\nTo: Bruno <bruno@old.example>\r\nSubject: message %s\r\nDate: %s\r\nMessage-ID: <%s.%x@old.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
		id, at.Format("Mon, 2 Jan 2006 15:04:05 -0700"), id, r.Uint64())
	for b.Len() < size {
		from := r.IntN(len(words) - 72)
		b.WriteString(words[from : from+70])
		b.WriteString("\r\n")
	}
	return []byte(b.String())
}
