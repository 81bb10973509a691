package bmsim_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

// childDir names the folder that a child process serves until it is killed.
const childDir = "BMSIM_TEST_CHILD_DIR"

func TestChildServesUntilKilled(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("a child process of TestKilledProcessLosesNothingAnswered")
	}
	cfg := config()
	cfg.Dir = dir
	sim := start(t, cfg)
	addrs := strings.Join([]string{strings.TrimPrefix(sim.URL(), "https://"), sim.IMAPAddr(), sim.IMAPSAddr()}, " ")
	tmp := filepath.Join(dir, "addresses.tmp")
	if err := os.WriteFile(tmp, []byte(addrs), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, "addresses")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute) // the parent is long done, and the child with it
}

func TestKilledProcessLosesNothingAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildServesUntilKilled$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for len(addrs) != 3 {
		time.Sleep(10 * time.Millisecond)
		b, _ := os.ReadFile(filepath.Join(dir, "addresses"))
		addrs = strings.Fields(string(b))
		if t.Context().Err() != nil {
			t.Fatal("the child does not start")
		}
	}

	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	remote := clientOf(t, "https://"+addrs[0], ca)
	l := remote.login("admin0@global.virt", secret)
	adm := remote.with(l.AuthKey)
	k := adm.su("ada@example.org").newKey("token")

	// Users are made until the child dies, so that it dies at work.
	var answered []string
	var work sync.WaitGroup
	work.Go(func() {
		for i := range 10000 {
			login := fmt.Sprintf("u%d", i)
			if !adm.try("PUT", "/users/example.org/"+login, user(login, "")) {
				return
			}
			answered = append(answered, login)
		}
	})
	time.Sleep(300 * time.Millisecond)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
	work.Wait()
	if len(answered) == 0 {
		t.Fatal("nothing was made")
	}

	cfg := config()
	cfg.Dir, cfg.ListenREST, cfg.ListenIMAP, cfg.ListenIMAPS = dir, addrs[0], addrs[1], addrs[2]
	sim := start(t, cfg)
	again := anonymous(t, sim).with(adm.key)
	for _, login := range answered {
		again.ok("GET", "/mail_folders_container/subtree_18f0a_internal!user."+login+"/_all", nil, nil)
	}
	again.with(k.SID).ok("GET", "/auth/keys", nil, nil)
	if _, err := sim.Admit(t.Context(), "ada@example.org", k.SID); err != nil {
		t.Error(err)
	}
}

func TestManyAtOnce(t *testing.T) {
	cfg := config()
	cfg.Dir = t.TempDir()
	sim := start(t, cfg)
	adm := admin(t, sim)
	const each = 10
	var work sync.WaitGroup
	for g := range 6 {
		work.Go(func() {
			for i := range each {
				login := fmt.Sprintf("g%d.%d", g, i)
				if !adm.try("PUT", "/users/example.org/"+login, user(login, `"password":"s3cret!"`)) ||
					!adm.try("PUT", "/groups/example.org/"+exampleUID+"_user_group/members", `[{"type":"user","uid":"`+login+`"}]`) {
					t.Errorf("%s was not made", login)
				}
				if _, err := sim.Admit(t.Context(), login+"@"+exampleUID, "s3cret!"); err != nil {
					t.Errorf("%s: %v", login, err)
				}
				sim.Journal().KeysAlive()
				sim.Faults().Add(bmsim.Fault{Kind: bmsim.Slow, Times: 1, Path: "nothing"})
			}
		})
	}
	// All want one name: one gets it.
	won := make(chan int, 8)
	for g := range 8 {
		work.Go(func() {
			if adm.try("PUT", fmt.Sprintf("/users/example.org/w%d", g), user("winner", "")) {
				won <- g
			}
		})
	}
	work.Wait()
	if len(won) != 1 {
		t.Errorf("%d users of one login", len(won))
	}
	var members []struct{ UID string }
	adm.ok("GET", "/groups/example.org/"+exampleUID+"_user_group/members", nil, &members)
	if len(members) != 6*each+3 {
		t.Errorf("%d members", len(members))
	}
}
