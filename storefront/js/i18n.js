// SPDX-License-Identifier: Apache-2.0
/** English and Korean. Names of items and of finer categories are the data's, in English. */

import { keep, kept } from "./dom.js";

const TEXTS = {
  en: {
    demo: "A shop to try things in. Nothing is sold, and nothing leaves this machine.",
    skip: "Skip to content", search: "Search", searchHint: "Search by name or department…", departments: "Departments", trail: "You are here", all: "All departments",
    cart: "Cart", cartCount: "Cart, {count} items", cartCount_1: "Cart, 1 item", account: "Account", stranger: "Stranger", theme: "Light or dark", language: "Language",
    panel: "What just happened", panelOpen: "Show what just happened", panelClose: "Hide what just happened", panelEmpty: "Click around: every call to the API appears here, and how it moves the lists.",
    panelClear: "Clear", previous: "Back", next: "Forward", add: "Add to cart", addNamed: "Add {name} to cart", added: "{name} is in the cart",
    welcome: "Good to see you", welcomeStranger: "A shop that gets to know you", heroText: "Look at something, put it into the cart, and watch the shelves rearrange themselves.",
    heroUser: "You are shopping as {name}.", heroStranger: "You are a stranger here: the shop knows this session and nothing else.", change: "Shop as someone else",
    recommended: "Recommended for you", popular: "Popular", becauseViewed: "Because you looked at {name}", becauseBought: "Because you bought {name}",
    similar: "Similar items", goesWith: "Goes with it", goesWithHint: "Similar to what is in the cart, ranked for you", goesWithNewest: "Picked for {name}, the newest in the cart", source: "Why it is here", moreLike: "More from {name}",
    "because.popular": "Popular", "because.new": "New here", "because.promoted": "On offer", "because.similarTo": "Similar to {name}", "because.becauseYouBought": "Because you bought {name}",
    "because.becauseYouViewed": "Because you looked at {name}", "because.goesWithBasket": "Goes with {name} in the cart",
    "source.campaign": "recommended", "source.popular": "popular", "source.cache": "recommended earlier", "source.bestsellers": "best sellers", "source.ranking": "in your order",
    sortFor: "For you", sortPrice: "Price", sortName: "Name", sort: "Sort", results: "{count} items", results_1: "1 item", resultsFor: "“{query}”", nothing: "Nothing here has that name. Try another word, or look through the departments.",
    more: "Show more", unit: "Item {id}", quantity: "Quantity", less: "One less", oneMore: "One more", remove: "Remove {name}",
    cartEmpty: "The cart is empty.", subtotal: "Subtotal", checkout: "Check out", goShopping: "Go shopping", delivery: "Delivery",
    slotToday: "Today, 18:00 – 20:00", slotTomorrow: "Tomorrow, 8:00 – 10:00", slotPick: "I pick it up", free: "free", placeOrder: "Place the order", noOrder: "This sends one Purchase event for each item, and nothing else.",
    thanks: "Thank you", thanksText: "{count} Purchase events are on their way. The shelves below know already.", thanksText_1: "1 Purchase event is on its way. The shelves below know already.", backHome: "Back to the shop",
    accountTitle: "Who is shopping?", accountText: "Each sample customer has a year of purchases. A stranger has none.", accountSession: "You are a stranger in a session of your own. A new one begins with no past.", shoppers: "Sample customers",
    newShopper: "A new customer", newText: "Never bought anything here; only this is known:", any: "any", start: "Start shopping", beStranger: "Stay a stranger", strangerText: "A new anonymous session",
    often: "Often: {list}", current: "current", close: "Close", userId: "User id", logIn: "Log in", household: "Household {id}",
    cause_open: "Opened the shop", cause_view: "Looked at {name}", cause_cart: "Put {name} into the cart", cause_buy: "Placed an order", cause_login: "Logged in as {name}", cause_logout: "Became a stranger", cause_browse: "Browsed {name}", cause_opencart: "Opened the cart", cause_search: "Searched “{name}”", cause_back: "Came back to the front page",
    entered: "{count} new", left: "{count} left", moved: "{count} moved", same: "The same list as before", shared: "The same for everybody, without what other shelves show", first: "First answer: {count} items", failed: "failed", retried: "try {count}", eventSent: "{list}",
    wasAt: "was {from}", isNew: "new", isGone: "gone", newBadge: "New", offline: "The API does not answer. Is the local cloud up?", offlineShelf: "This shelf could not be filled.", notFound: "There is nothing at this address.",
    total: "Total", facts_AGE: "Age", facts_INCOME: "Income", facts_HOUSEHOLD_SIZE: "Household size", facts_HOME_OWNERSHIP: "Home", facts_MARITAL_STATUS: "Marital status", facts_KIDS: "Children",
    kids_0: "no children", kids_1: "one child", kids: "{count} children", age: "{age}", newcomer: "New customer", light: "Light", dark: "Dark", each: "{price} each", looked: "You looked at",
  },
  ko: {
    demo: "시험용 상점입니다. 실제로 판매하지 않으며, 데이터는 이 컴퓨터 밖으로 나가지 않습니다.",
    skip: "본문으로 건너뛰기", search: "검색", searchHint: "이름이나 카테고리로 검색…", departments: "카테고리", trail: "현재 위치", all: "전체 카테고리",
    cart: "장바구니", cartCount: "장바구니, 상품 수: {count}", cartCount_1: "장바구니, 상품 수: 1", account: "계정", stranger: "비회원", theme: "밝게 또는 어둡게", language: "언어",
    panel: "방금 일어난 일", panelOpen: "방금 일어난 일 보기", panelClose: "방금 일어난 일 숨기기", panelEmpty: "둘러보세요. API를 호출할 때마다 여기에 표시되고, 목록이 어떻게 바뀌는지 볼 수 있습니다.",
    panelClear: "지우기", previous: "이전", next: "다음", add: "장바구니에 담기", addNamed: "{name} 장바구니에 담기", added: "{name} 담았습니다",
    welcome: "다시 오셨네요", welcomeStranger: "볼수록 나를 알아 가는 상점", heroText: "상품을 보고 장바구니에 담아 보세요. 진열이 바로 바뀝니다.",
    heroUser: "{name} 고객으로 쇼핑하고 있습니다.", heroStranger: "비회원입니다. 상점은 이번 세션의 행동만 알고 있습니다.", change: "다른 고객으로 쇼핑하기",
    recommended: "추천 상품", popular: "인기 상품", becauseViewed: "{name} 상품을 보셨기에", becauseBought: "{name} 상품을 사셨기에",
    similar: "비슷한 상품", goesWith: "함께 담으면 좋은 상품", goesWithHint: "담은 상품과 비슷한 상품을 고객 취향순으로", goesWithNewest: "가장 나중에 담은 {name} 상품에 맞춰 골랐습니다", source: "추천 방식", moreLike: "{name} 더 보기",
    "because.popular": "인기 상품", "because.new": "신상품", "because.promoted": "할인 상품", "because.similarTo": "{name} 상품과 비슷해요", "because.becauseYouBought": "{name} 상품을 사셨기에",
    "because.becauseYouViewed": "{name} 상품을 보셨기에", "because.goesWithBasket": "담으신 {name} 상품과 잘 어울려요",
    "source.campaign": "추천", "source.popular": "인기", "source.cache": "이전 추천", "source.bestsellers": "베스트셀러", "source.ranking": "맞춤 순서",
    sortFor: "추천순", sortPrice: "가격순", sortName: "이름순", sort: "정렬", results: "상품 {count}개", results_1: "상품 1개", resultsFor: "“{query}”", nothing: "그런 이름의 상품이 없습니다. 다른 검색어로 찾거나 카테고리를 둘러보세요.",
    more: "더 보기", unit: "상품 {id}", quantity: "수량", less: "하나 빼기", oneMore: "하나 더", remove: "{name} 빼기",
    cartEmpty: "장바구니가 비어 있습니다.", subtotal: "합계", checkout: "주문하기", goShopping: "쇼핑하러 가기", delivery: "배송",
    slotToday: "오늘 18:00 – 20:00", slotTomorrow: "내일 8:00 – 10:00", slotPick: "직접 찾아갑니다", free: "무료", placeOrder: "주문 완료하기", noOrder: "상품마다 Purchase 이벤트를 하나씩 보낼 뿐, 그 밖의 일은 하지 않습니다.",
    thanks: "고맙습니다", thanksText: "Purchase 이벤트 {count}건을 보냈습니다. 아래 추천에 이미 반영되었습니다.", thanksText_1: "Purchase 이벤트 1건을 보냈습니다. 아래 추천에 이미 반영되었습니다.", backHome: "상점으로 돌아가기",
    accountTitle: "누가 쇼핑하나요?", accountText: "샘플 고객에게는 1년 치 구매 이력이 있습니다. 비회원에게는 없습니다.", accountSession: "나만의 세션에 있는 비회원입니다. 새 세션은 이력 없이 시작합니다.", shoppers: "샘플 고객",
    newShopper: "신규 고객", newText: "아직 구매 이력이 없고, 다음 정보만 알려진 고객입니다.", any: "선택 안 함", start: "쇼핑 시작", beStranger: "비회원으로 계속하기", strangerText: "새로운 익명 세션",
    often: "자주 사는 것: {list}", current: "현재 고객", close: "닫기", userId: "사용자 ID", logIn: "로그인", household: "{id}번 가구",
    cause_open: "상점에 들어왔습니다", cause_view: "{name} 상품을 보았습니다", cause_cart: "{name} 상품을 담았습니다", cause_buy: "주문했습니다", cause_login: "{name} 고객으로 로그인했습니다", cause_logout: "비회원이 되었습니다", cause_browse: "{name} 상품을 둘러보았습니다", cause_opencart: "장바구니를 열었습니다", cause_search: "“{name}” 상품을 검색했습니다", cause_back: "첫 화면으로 돌아왔습니다",
    entered: "신규 {count}", left: "빠짐 {count}", moved: "이동 {count}", same: "이전과 같은 목록", shared: "모두에게 같은 목록에서 다른 추천에 나온 상품만 뺐습니다", first: "첫 응답: 상품 {count}개", failed: "실패", retried: "{count}번째 시도", eventSent: "{list}",
    wasAt: "이전 {from}위", isNew: "신규", isGone: "빠짐", newBadge: "신규", offline: "API가 응답하지 않습니다. 로컬 클라우드가 켜져 있나요?", offlineShelf: "이 목록을 불러오지 못했습니다.", notFound: "이 주소에는 아무것도 없습니다.",
    total: "합계", facts_AGE: "나이", facts_INCOME: "소득", facts_HOUSEHOLD_SIZE: "가구원 수", facts_HOME_OWNERSHIP: "주거", facts_MARITAL_STATUS: "결혼", facts_KIDS: "자녀",
    kids_0: "자녀 없음", kids_1: "자녀 1명", kids: "자녀 {count}명", age: "{age}세", newcomer: "신규 고객", light: "밝게", dark: "어둡게", each: "개당 {price}", looked: "최근 본 상품",
  },
};

/** Departments of the demo's data. */
const DEPARTMENTS = {
  Grocery: "식료품", "Drugstore & Household": "생활·건강", "Packaged Meat": "가공육", Produce: "채소·과일", "Fresh Meat": "정육", Deli: "델리",
  Bakery: "베이커리", "Fresh Seafood": "수산", Floral: "꽃", "Wine & Spirits": "와인·주류", "Garden Center": "원예", Cosmetics: "화장품",
  "Prepared Food": "즉석식품", "Salad Bar": "샐러드 바", Pastry: "페이스트리", Nutrition: "건강식품", "Packaged Seafood": "가공 수산",
};

/** Words of the demo's users. */
const VALUES = {
  Homeowner: "자가", "Probable Homeowner": "자가로 추정", Renter: "임차", "Probable Renter": "임차로 추정", Married: "기혼", Unmarried: "미혼", Unknown: "알 수 없음",
};

/** The languages that the switch offers, by code. */
export const LANGUAGES = { en: "English", ko: "한국어" };

let language = kept("language", (navigator.language ?? "en").startsWith("ko") ? "ko" : "en");

/** The code of the language in use. */
export const current = () => language;

/** Use another language from now on. */
export function use(code) {
  language = code;
  keep("language", code);
  document.documentElement.lang = code;
}

/** A text in the language in use; `{name}` is filled in, and a `count` may have a text of its own (`key_1`). */
export function t(key, values = {}) {
  const text = TEXTS[language][`${key}_${values.count}`] ?? TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  const filled = text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  return language === "ko" ? filled.replace(/(\d+)\+(세|명)/g, "$1$2 이상") : filled;
}

/** Whether there is a text of this key. */
export const has = (key) => key in TEXTS.en;

/** A department's name. */
export const department = (name) => (language === "ko" && DEPARTMENTS[name]) || name;

/** A value of a column of users, such as `45-54`, `5+`, `Under 15K`, `Renter`. */
export function valueOf(column, value) {
  if (language !== "ko") return value;
  const [, under, from, to, above] = /^(Under )?(\d+)(?:-(\d+))?K(\+)?$/.exec(value) ?? [];
  if (from) return `${[from, to].filter(Boolean).map((thousands) => `${thousands / 10}만`).join("~")} 달러${under ? " 미만" : above ? " 이상" : ""}`;
  const unit = { AGE: "세", HOUSEHOLD_SIZE: "명", KIDS: "명" }[column] ?? "";
  return VALUES[value] ?? (unit && /^\d[\d-]*\+?$/.test(value) ? `${value.replace("-", "~").replace("+", "")}${unit}${value.endsWith("+") ? " 이상" : ""}` : value);
}

/** Dollars, as the data have them. */
export const money = (amount) => new Intl.NumberFormat(language, { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" }).format(amount);

/** What tests hold against each other. */
export const texts = TEXTS;
