"""The words of the simulated broker: channels, cities, pages, products, articles."""

TRACKS = [
    "app_launch",
    "page_view",
    "element_click",
    "product_view",
    "news_view",
    "login",
    "open_step",
    "deposit",
    "trade",
    "risk_assessment",
]
"""Event names by code."""

KINDS = [
    "track",
    "bind",
    "unbind",
    "profile_set",
    "profile_set_once",
    "profile_increment",
    "profile_append",
    "profile_unset",
]
"""Record types by code."""

(
    APP_LAUNCH,
    PAGE_VIEW,
    CLICK,
    PRODUCT_VIEW,
    NEWS_VIEW,
    LOGIN,
    OPEN_STEP,
    DEPOSIT,
    TRADE,
    ASSESSMENT,
) = range(10)
TRACK, BIND, UNBIND, SET, SET_ONCE, INCREMENT, APPEND, UNSET = range(8)

OPEN_STEPS = ["id_card_upload", "password_set", "video_verify", "account_opened"]
"""Values of open_step's property `step`, in their order."""

STEP_TITLES = {
    "id_card_upload": "身份证上传",
    "password_set": "密码设置",
    "video_verify": "视频验证",
    "account_opened": "开户成功",
}
"""The steps as the white paper calls them."""

CHANNELS = ["app_store", "wechat", "douyin", "baidu", "bank_branch"]
"""Values of the channel that brought somebody (utm_source); some people have none."""

CHANNEL_TITLES = {
    "app_store": "应用商店",
    "wechat": "微信",
    "douyin": "抖音",
    "baidu": "百度",
    "bank_branch": "银行网点",
}
"""The channels as a Chinese report shows them."""

CHANNEL_MEDIA = ["store", "social", "feed", "search", "offline"]
CHANNEL_WEIGHTS = [26.0, 22.0, 18.0, 14.0, 8.0]
NO_CHANNEL_WEIGHT = 12.0

APP, H5, MINI_PROGRAM = range(3)
IDENTIFIER_OF_DEVICE = ["device_id", "anonymous_id", "openid"]
"""How each kind of device names itself before anybody logs in."""

CITIES = ["上海", "北京", "深圳", "杭州", "成都", "武汉", "南京", "西安"]
GENDERS = ["female", "male"]
RISK_LEVELS = ["C1", "C2", "C3", "C4", "C5"]
INTERESTS = ["新股", "基金", "债券", "半导体", "新能源", "医药", "港股", "ETF"]
PAGES = ["/home", "/market", "/account", "/funds", "/learn", "/activity"]
ELEMENTS = ["banner", "search_box", "watchlist_tab", "open_account", "service_chat"]
SYMBOLS = ["600000.SH", "600519.SH", "000001.SZ", "300750.SZ", "688981.SH", "510300.SH"]
PRODUCTS = [("P1001", "R1"), ("P2001", "R2"), ("P3001", "R3"), ("P4001", "R4"), ("P5001", "R5")]
ARTICLES = 400
"""Number of articles; their ids are A0000 and up."""
