//! Keys and tokens that others have made.

/// The public halves of the keys of RFC 7515 A.2 and A.3.
pub(super) const RFC_KEYS: &str = concat!(
    r#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPC"#,
    r#"JrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaS"#,
    r#"HSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGh"#,
    r#"yxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},{"kty":"EC","crv""#,
    r#":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYj"#,
    r#"KIWI5a0"}]}"#,
);

/// RFC 7515 A.2.1.
pub(super) const RFC_RS256: &str = concat!(
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19",
    "yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt",
    "_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb",
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI",
    "8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
);

/// RFC 7515 A.3.1.
pub(super) const RFC_ES256: &str = concat!(
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19",
    "yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU",
    "1Q",
);

/// By Python's cryptography: r1 is RSA, e1 is P-256, small is RSA of 1024 bits.
pub(super) const KEYS: &str = concat!(
    r#"{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"r1","n":"lhmd-s21SYKiL14HyUbuXo4rgvLvA-7712p2"#,
    r#"MrmehEZyL35s2_ZoHR2rvHxxlkY8t1voKZnHygEb6qvyrVIiZBvDB6sCwr1JBpgZNm027PdYpAIPbTgaXM-uKzJAx3zNDeErxbzP"#,
    r#"ATZbjs9SJphyMO1ji0oYBv5m47vGr7Wg_mM6VxOin7aOdT-w5sZnoylsYB8lZRPwThkh_oq1xQcw6mR8ft9M0X_2PmZLaZ_dj4qq"#,
    r#"sXayAuHeql59f5clBcEoJZ2rrV6xT56V7dIcVrWyWUaUxhqpMSQ2PzOeI-OBhYrd9mT-ihxFHiINJ26p_GrmWgfGdx42RRDiLuIw"#,
    r#"U0zigQ","e":"AQAB","x5t":"x"},{"kty":"EC","crv":"P-256","kid":"e1","x":"x6qWncgDDy-Ryta6WTseVqSAZXny"#,
    r#"AhTl5gGou9fLABA","y":"S7tmJl4WWAWed9OIsyxiMLSLJVJ2GoYW_XMVHILV0tU"},{"kty":"RSA","kid":"small","n":""#,
    r#"5fc8MSusJ7JPwLdBGlu_JXuY4MSwrfPHGo10v3xlUvWx6bzrb-BgRp0z4uszRkKt50aPpRYG2IiylrA9muJTZunvogio0d6tQrG8"#,
    r#"jhz2Xob58A-64OfdK8F1R0j4mpPRIzHmCezI783epLXQuHX9Qe6FMkx8XpTpQurLtzdhixE","e":"AQAB"}]}"#,
);

/// Its payload has iss, aud (a list), exp 2000000000, iat, nbf, sub 8c4f, email, roles and groups. Signed by r1.
pub(super) const ANN_RS256: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCIsICJraWQiOiAicjEifQ.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlLyIsI",
    "CJhdWQiOiBbImFjY291bnQiLCAiaHR0cHM6Ly9jaGF0LmV4YW1wbGUiXSwgImV4cCI6IDIwMDAwMDAwMDAsICJpYXQiOiA5OTk5O",
    "Tk5OTksICJuYmYiOiA5OTk5OTk5OTksICJzdWIiOiAiOGM0ZiIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20iLCAicm9sZXMiO",
    "iBbIndlYnB1YnN1Yi5zZW5kVG9Hcm91cCJdLCAiZ3JvdXBzIjogWyJhIiwgImIgYyJdfQ.SpUsfrHZjpWs8RZb6u7ZdGwaMpE-GH",
    "0MzAOhhr4LRpRiH6NXvUJvpfqT8_QEXRNLFWlC_O3D_HaxoHdTlR9o3zD7Bj8ViiuWLBkfAOCc50xk0sBbEb7yFpMVHNP6ZMOeuO",
    "kMfb8v7jftNmNGffpPYBdYzexWgfIv0Y3n5sL-6dyFBA4grEx9Y63OI7el2_0Z2m7WMWC9Log4CgpSdEpSLV02vLx21SVB3NJeVM",
    "gqTb0udOYBKrf6edc-OdVSPhOUKikvtR89cMpEKF36RXkcHDySuRp_G3phhID19-i7QnNee-EaSVMyQ7JAaIkWeXGSee3E_Flr4k",
    "3wqttLODLBFQ",
);

/// The same by e1.
pub(super) const ANN_ES256: &str = concat!(
    "eyJhbGciOiAiRVMyNTYiLCAidHlwIjogImF0K2p3dCIsICJraWQiOiAiZTEifQ.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlL",
    "yIsICJhdWQiOiBbImFjY291bnQiLCAiaHR0cHM6Ly9jaGF0LmV4YW1wbGUiXSwgImV4cCI6IDIwMDAwMDAwMDAsICJpYXQiOiA5O",
    "Tk5OTk5OTksICJuYmYiOiA5OTk5OTk5OTksICJzdWIiOiAiOGM0ZiIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20iLCAicm9sZ",
    "XMiOiBbIndlYnB1YnN1Yi5zZW5kVG9Hcm91cCJdLCAiZ3JvdXBzIjogWyJhIiwgImIgYyJdfQ.Ih3IJ09Jo1-v5JtYNU9Xl5R09P",
    "bazs2d5OnF9gJ4YmwmOCGNTKhuUQLNMlAFKABbfcXSIn5UCofzN9JBXp1ehQ",
);

/// The same by e1, the signature in DER.
pub(super) const ANN_DER: &str = concat!(
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogImUxIn0.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlLyIsICJhdWQiOiBbImFjY291",
    "bnQiLCAiaHR0cHM6Ly9jaGF0LmV4YW1wbGUiXSwgImV4cCI6IDIwMDAwMDAwMDAsICJpYXQiOiA5OTk5OTk5OTksICJuYmYiOiA5",
    "OTk5OTk5OTksICJzdWIiOiAiOGM0ZiIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20iLCAicm9sZXMiOiBbIndlYnB1YnN1Yi5z",
    "ZW5kVG9Hcm91cCJdLCAiZ3JvdXBzIjogWyJhIiwgImIgYyJdfQ.MEYCIQDsFEkG6Z3Ojx0WBuAmz_dCMWz9MI-nkyWMv_0ZVViWX",
    "gIhAN0RhSxny2VFINoQ8PajbSl-pP1QyWGEDI3k-4bmrevk",
);

/// The same by r1, padded as PS256 has it, which its header does not say.
pub(super) const ANN_PSS: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInIxIn0.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlLyIsICJhdWQiOiBbImFjY291",
    "bnQiLCAiaHR0cHM6Ly9jaGF0LmV4YW1wbGUiXSwgImV4cCI6IDIwMDAwMDAwMDAsICJpYXQiOiA5OTk5OTk5OTksICJuYmYiOiA5",
    "OTk5OTk5OTksICJzdWIiOiAiOGM0ZiIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20iLCAicm9sZXMiOiBbIndlYnB1YnN1Yi5z",
    "ZW5kVG9Hcm91cCJdLCAiZ3JvdXBzIjogWyJhIiwgImIgYyJdfQ.dEcm-0K96lR7PHdqAABCemO9u0Z3sezooCgesu9yzv1w3THVK",
    "AJTg9N6T_EvRYxqArVcCrUBHUMqXuKmRvIKTTB2CW1TVdNmnT0DnBWC8quU0h4_hGM5lP-JwSE-MZFU5Y69_SFHqpDQdCPt2P6tA",
    "UdqXEqRC-wf6nhz_lRCX7Yr1BxyncLbG5hx2I7ySOCVbne8bkS0Cqs0Ia8Ei5s5xXSllSCoFRYUO0VvNoNX7wazfsMqP1HTrpWVZ",
    "jKODpQlTxAYPe_gtc61n3RRT1gjr9n3zsB5-3Xk9fYDK1ptcg8VLVx-WCEgfLQ8E0uGb2_s8cW6AkrFmBcjbx9HZREWZA",
);

/// The same by small.
pub(super) const ANN_SMALL: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInNtYWxsIn0.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlLyIsICJhdWQiOiBbImFj",
    "Y291bnQiLCAiaHR0cHM6Ly9jaGF0LmV4YW1wbGUiXSwgImV4cCI6IDIwMDAwMDAwMDAsICJpYXQiOiA5OTk5OTk5OTksICJuYmYi",
    "OiA5OTk5OTk5OTksICJzdWIiOiAiOGM0ZiIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20iLCAicm9sZXMiOiBbIndlYnB1YnN1",
    "Yi5zZW5kVG9Hcm91cCJdLCAiZ3JvdXBzIjogWyJhIiwgImIgYyJdfQ.I7kbo_3G3YH4r40oiJT-7e74uvc6ftoRRgJZyxi6fifLY",
    "Z-l-X6U09C8rJVnwjs2n2qK2YFpuB9x09HDy6BbMjcXYIwHks2ysY4ktyeZ-exFUA81qN_3KEhTn4vboBJbqNtSBXowg6HGVDy0d",
    "tOqNLhZWOb-VZ74wHxT_paCuRM",
);
