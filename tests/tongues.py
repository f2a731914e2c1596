"""Four languages more, for tests of how pages look: two directions, scripts that join or stack their
letters, and one without spaces. Nobody translates from here."""

from dataclasses import replace

from quietdesk.city import City, Locale

# (tag, own name, direction): English to its translation.
TONGUES: dict[tuple[str, str, str], dict[str, str]] = {
    ("ar", "العربية", "rtl"): {
        "A city ID card": "بطاقة هوية المدينة",
        "For people who live in the city.": "للأشخاص الذين يعيشون في المدينة.",
        "Free. No question on immigration status.": "مجانًا. لا نسأل عن وضع الهجرة.",
        "Ask for an appointment": "اطلب موعدًا",
        "Scan this with your phone, or type:": "امسح هذا الرمز بهاتفك، أو اكتب:",
        "No phone with internet? Call {phone}.": "ليس لديك هاتف متصل بالإنترنت؟ اتصل بالرقم {phone}.",
        "(confirm with the programme)": "(تأكد من البرنامج)",
        "What the card does not do": "ما لا تفعله البطاقة",
        "It is not a permit to work.": "ليست تصريح عمل.",
        "It is not a driver license.": "ليست رخصة قيادة.",
        "It does not change your immigration status.": "لا تغيّر وضعك كمهاجر.",
        "Nobody may ask you for money for an appointment.": "لا يجوز لأحد أن يطلب منك مالًا مقابل موعد.",
        "This is an independent kit. It is not a government website.": "هذه مجموعة أدوات مستقلة. ليست موقعًا حكوميًا.",
        "Demonstration. No office receives this.": "عرض تجريبي. لا يستلم هذا أي مكتب.",
        "Your code": "رمزك", "Day": "اليوم", "Time": "الوقت", "Place": "المكان",
        "Look again on:": "انظر مرة أخرى في:",
        "See, move or cancel it: {address} or call {phone}.": "لرؤيته أو نقله أو إلغائه: {address} أو اتصل بالرقم {phone}.",
        "Keep this slip where others do not look.": "احتفظ بهذه البطاقة حيث لا ينظر الآخرون.",
    },
    ("ur", "اردو", "rtl"): {
        "A city ID card": "شہر کا شناختی کارڈ",
        "For people who live in the city.": "ان لوگوں کے لیے جو شہر میں رہتے ہیں۔",
        "Free. No question on immigration status.": "مفت۔ امیگریشن کی حیثیت کے بارے میں کوئی سوال نہیں۔",
        "Ask for an appointment": "ملاقات کا وقت مانگیں",
        "Scan this with your phone, or type:": "اسے اپنے فون سے اسکین کریں، یا ٹائپ کریں:",
        "No phone with internet? Call {phone}.": "انٹرنیٹ والا فون نہیں ہے؟ {phone} پر کال کریں۔",
        "(confirm with the programme)": "(پروگرام سے تصدیق کریں)",
        "What the card does not do": "کارڈ کیا نہیں کرتا",
        "It is not a permit to work.": "یہ کام کرنے کا اجازت نامہ نہیں ہے۔",
        "It is not a driver license.": "یہ ڈرائیونگ لائسنس نہیں ہے۔",
        "It does not change your immigration status.": "یہ آپ کی امیگریشن کی حیثیت نہیں بدلتا۔",
        "Nobody may ask you for money for an appointment.": "ملاقات کے وقت کے لیے کوئی آپ سے پیسے نہیں مانگ سکتا۔",
        "This is an independent kit. It is not a government website.": "یہ ایک آزاد منصوبہ ہے۔ یہ سرکاری ویب سائٹ نہیں ہے۔",
        "Demonstration. No office receives this.": "نمونہ۔ یہ کسی دفتر کو نہیں ملتا۔",
        "Your code": "آپ کا کوڈ", "Day": "دن", "Time": "وقت", "Place": "جگہ",
        "Look again on:": "دوبارہ دیکھیں:",
        "See, move or cancel it: {address} or call {phone}.": "اسے دیکھیں، بدلیں یا منسوخ کریں: {address} یا {phone} پر کال کریں۔",
        "Keep this slip where others do not look.": "یہ کارڈ وہاں رکھیں جہاں دوسرے نہ دیکھیں۔",
    },
    ("bn", "বাংলা", "ltr"): {
        "A city ID card": "শহরের পরিচয়পত্র",
        "For people who live in the city.": "যাঁরা এই শহরে থাকেন তাঁদের জন্য।",
        "Free. No question on immigration status.": "বিনামূল্যে। অভিবাসন অবস্থা সম্পর্কে কোনো প্রশ্ন নেই।",
        "Ask for an appointment": "সাক্ষাতের সময় চান",
        "Scan this with your phone, or type:": "আপনার ফোন দিয়ে এটি স্ক্যান করুন, অথবা লিখুন:",
        "No phone with internet? Call {phone}.": "ইন্টারনেটসহ ফোন নেই? {phone} নম্বরে ফোন করুন।",
        "(confirm with the programme)": "(কর্মসূচির সঙ্গে নিশ্চিত করুন)",
        "What the card does not do": "কার্ডটি যা করে না",
        "It is not a permit to work.": "এটি কাজ করার অনুমতিপত্র নয়।",
        "It is not a driver license.": "এটি গাড়ি চালানোর লাইসেন্স নয়।",
        "It does not change your immigration status.": "এটি আপনার অভিবাসন অবস্থা বদলায় না।",
        "Nobody may ask you for money for an appointment.": "সাক্ষাতের সময়ের জন্য কেউ আপনার কাছে টাকা চাইতে পারে না।",
        "This is an independent kit. It is not a government website.": "এটি একটি স্বাধীন প্রকল্প। এটি সরকারি ওয়েবসাইট নয়।",
        "Demonstration. No office receives this.": "প্রদর্শনী। কোনো দপ্তর এটি পায় না।",
        "Your code": "আপনার কোড", "Day": "দিন", "Time": "সময়", "Place": "স্থান",
        "Look again on:": "আবার দেখুন:",
        "See, move or cancel it: {address} or call {phone}.": "এটি দেখুন, বদলান বা বাতিল করুন: {address} অথবা {phone} নম্বরে ফোন করুন।",
        "Keep this slip where others do not look.": "এই কার্ড এমন জায়গায় রাখুন যেখানে অন্যরা দেখে না।",
    },
    ("zh-Hant", "繁體中文", "ltr"): {
        "A city ID card": "市民身份證",
        "For people who live in the city.": "給住在本市的人。",
        "Free. No question on immigration status.": "免費。不問移民身份。",
        "Ask for an appointment": "預約",
        "Scan this with your phone, or type:": "用手機掃描，或輸入：",
        "No phone with internet? Call {phone}.": "手機不能上網？請致電 {phone}。",
        "(confirm with the programme)": "（請向計劃確認）",
        "What the card does not do": "這張證不能做什麼",
        "It is not a permit to work.": "它不是工作許可。",
        "It is not a driver license.": "它不是駕駛執照。",
        "It does not change your immigration status.": "它不會改變您的移民身份。",
        "Nobody may ask you for money for an appointment.": "任何人都不可以因預約向您收錢。",
        "This is an independent kit. It is not a government website.": "這是獨立的工具。它不是政府網站。",
        "Demonstration. No office receives this.": "示範。沒有辦事處會收到。",
        "Your code": "您的代碼", "Day": "日期", "Time": "時間", "Place": "地點",
        "Look again on:": "再次查看日期：",
        "See, move or cancel it: {address} or call {phone}.": "查看、更改或取消：{address}，或致電 {phone}。",
        "Keep this slip where others do not look.": "請把這張卡放在別人看不到的地方。",
    },
}  # fmt: skip


def with_tongues(city: City) -> City:
    """The city with those of these locales that it does not have."""
    like = city.locales[0]
    there = {locale.tag for locale in city.locales}
    more = tuple(
        Locale(*row, like.weekdays, like.months, like.day_pattern, like.time_pattern, like.halves)
        for row in TONGUES
        if row[0] not in there
    )
    words = {row[0]: said for row, said in TONGUES.items()} | dict(city.words)
    return replace(city, locales=city.locales + more, words=words)
