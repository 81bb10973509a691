package migrate

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// TestRoleNames: the dictionary can be read, no name stands for two roles, and
// it knows enough languages.
func TestRoleNames(t *testing.T) {
	d, err := readRoleNames(folderNames)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range strings.Fields("en fr de es it pt nl pl cs sk hu ro ru uk bg sv no da fi el tr ja zh ko ca sl hr") {
		if !slices.Contains(d.languages, want) {
			t.Errorf("no language %s", want)
		}
	}
	for _, word := range d.ambiguous {
		if n, ok := d.find([]string{word}); ok {
			t.Errorf("%q is taken for %s, and said to be ambiguous", word, n.role)
		}
	}
	if len(d.ambiguous) < 10 {
		t.Error("the ambiguous words are lost")
	}
	for _, broken := range []string{"[x]\nsent: A\ntrash: a", "sent: A", "[x]\nsent", "[x]\nsent: A | |"} {
		if _, err := readRoleNames(broken); err == nil {
			t.Errorf("%q is read", broken)
		}
	}
}

func TestRoleByName(t *testing.T) {
	tests := []struct {
		role  Role
		names []string
	}{
		{RoleSent, []string{"Sent", "SENT", "Sent Items", "sent-mail", "Sent_Items", "Éléments envoyés", norm.NFD.String("Éléments envoyés"), "Elements envoyes", "ÉLÉMENTS ENVOYÉS",
			"Gesendete Objekte", "Elementos enviados", "Posta inviata", "Itens Enviados", "Verzonden items", "Elementy wysłane", "Elementy wyslane", "Odeslaná pošta", "Elküldött elemek",
			"Elemente trimise", "Отправленные", "ОТПРАВЛЕННЫЕ", "Надіслані", "Skickat", "Sendte elementer", "Sendt", "Lähetetyt", "Απεσταλμένα", "ΑΠΕΣΤΑΛΜΈΝΑ", "Gönderilmiş Öğeler", "GÖNDERİLMİŞ ÖĞELER",
			"送信済みアイテム", "已发送", "寄件備份", "보낸 편지함", "보낸편지함", norm.NFD.String("보낸 편지함"), "Elements enviats", "Poslano", "Poslane stavke", " Sent "}},
		{RoleTrash, []string{"Deleted Items", "Bin", "Corbeille", "Éléments supprimés", "Gelöschte Elemente", "Geloeschte Elemente", "Papelera", "Cestino", "Lixeira", "Itens Excluídos", "Prullenbak", "Kosz", "Koš", "Kôš",
			"Törölt elemek", "Coș de gunoi", "Coş de gunoi", "Удалённые", "Удаленные", "Кошик", "Papperskorgen", "Papirkurv", "Roskakori", "Κάδος", "ΚΆΔΟΣ", "Çöp Kutusu", "ゴミ箱", norm.NFD.String("ゴミ箱"), "已删除邮件", "刪除的郵件", "휴지통", "Paperera", "Izbrisano"}},
		{RoleDrafts, []string{"Drafts", "Brouillons", "Brouillon", "Entwürfe", "Entwuerfe", "Borradores", "Bozze", "Rascunhos", "Concepten", "Wersje robocze", "Koncepty", "Piszkozatok", "Ciorne", "Черновики", "Чернетки", "Utkast", "Kladder", "Luonnokset", "Πρόχειρα", "Taslaklar", "下書き", "草稿", "임시 보관함", "Esborranys", "Osnutki", "Skice"}},
		{RoleJunk, []string{"Junk", "Spam", "Junk E-mail", "Junk Email", "JunkMail", "Courrier indésirable", "Courrier indesirable", "Pourriels", "Correo no deseado", "Posta indesiderata", "Lixo Eletrônico", "Lixo eletrónico", "Ongewenste e-mail", "Nevyžádaná pošta", "Levélszemét", "Нежелательная почта", "Skräppost", "Søppelpost", "Roskaposti", "迷惑メール", "垃圾邮件", "垃圾郵件", "정크 메일"}},
		{RoleArchive, []string{"Archive", "Archives", "Archiv", "Archivio", "Archief", "Archiwum", "Архив", "Arkiv", "アーカイブ"}},
		{RoleTemplates, []string{"Templates", "Modèles", "Modeles", "Vorlagen", "Plantillas", "Modelli", "Sjablonen", "Szablony", "Šablony", "Шаблоны"}},
		{RoleOutbox, []string{"Outbox", "Boîte d'envoi", "Boîte d’envoi", "Boite d'envoi", "Postausgang", "Bandeja de salida", "Postvak UIT", "送信トレイ", "发件箱"}},
		{RoleNone, []string{"", "-", "Sent to Bob", "Sent 2019", "Projects", "Sentinel", "Unsent letters", "Trashy", "Архивариус", "!Sent", "Sent (2)"}},
	}
	for _, test := range tests {
		for _, name := range test.names {
			if got, _ := roleNames().find([]string{name}); got.role != test.role {
				t.Errorf("%q has role %q, want %q", name, got.role, test.role)
			}
		}
	}
}

// TestRolePlaces: special folders lie at the top, or directly below INBOX or
// [Gmail].
func TestRolePlaces(t *testing.T) {
	for _, test := range []struct {
		path string
		role Role
	}{
		{"Sent", RoleSent}, {"INBOX/Sent", RoleSent}, {"Old/Sent", RoleNone}, {"INBOX/Old/Sent", RoleNone},
		{"[Gmail]/Sent Mail", RoleSent}, {"[Google Mail]/Bin", RoleTrash}, {"[Gmail]/All Mail", RoleAll}, {"[Gmail]/Tous les messages", RoleAll},
		{"[Gmail]/Suivis", RoleFlagged}, {"[Gmail]/Wichtig", RoleImportant}, {"All Mail", RoleNone}, {"Important", RoleNone}, {"INBOX/Starred", RoleNone},
	} {
		if got, _ := roleNames().find(strings.Split(test.path, "/")); got.role != test.role {
			t.Errorf("%q has role %q, want %q", test.path, got.role, test.role)
		}
	}
}
