package proof

// caNames are the CAA names of the CAs whose DV certificates CAS sells. The first
// is the one to advise.
var caNames = []string{
	// DigiCert and its brands: "the CA identifiers that DigiCert recognizes" in
	// section 4.2.1.1 of its certification practice statement.
	"digicert.com", "www.digicert.com", "digicert.ne.jp", "cybertrust.ne.jp", "thawte.com", "geotrust.com", "rapidssl.com", "symantec.com",
	"digitalcertvalidation.com", "volusion.digitalcertvalidation.com", "stratossl.digitalcertvalidation.com",
	"intermediatecertificate.digitalcertvalidation.com", "1and1.digitalcertvalidation.com",
	"amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com", "quovadisglobal.com", "pkioverheid.nl",

	"digicert.cn", "globalsign.com", "cfca.com.cn", "vtrus.cn", "sectigo.com", "trust-provider.com",
}

// otherCAs are the CAA names of CAs whose certificates CAS does not sell.
var otherCAs = []string{
	"letsencrypt.org", "pki.goog", "buypass.com", "buypass.no", "entrust.net", "godaddy.com", "starfieldtech.com",
	"identrust.com", "ssl.com", "harica.gr", "certum.pl", "microsoft.com", "secomtrust.net", "swisssign.com",
}
