"""Currencies as people write them beside numbers: codes, signs and short names."""

import re

_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
    "GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT "
    "LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR "
    "NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RMB RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD "
    "SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD "
    "XOF XPF YER ZAR ZMW ZWG"
)
"""The codes of ISO 4217 that money is counted in, and RMB, which China writes too."""

_SHORT_NAMES = "R$ US$ CA$ AU$ NZ$ HK$ NT$ S$ A$ C$ kr. kr zł Kč Ft lei SFr. Fr. Rs. Rs RM руб. руб TL"
"""What people write in place of a sign."""

_SIGNS = "$€£¥₹₽₩₺₴₫₪฿₦₱₿₸₼₾₡₲₵៛₮"

CURRENCY = f"(?:{'|'.join(map(re.escape, (*_SHORT_NAMES.split(), *_CODES.split(), *_SIGNS)))})"
"""The pattern of a currency, which may stand before or after a number."""

CURRENCIES = re.compile(CURRENCY)
