# SPDX-License-Identifier: Apache-2.0
"""The names that shops, analytics and merchandise systems give to columns, by what Personalize calls them.

Names are in small letters, without anything between their words. Those that come first are better.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache

from table_intake.columns import choices
from table_intake.kinds import DataKind

USER_KEY = """
    userid customerid customerkey customersk customernumber customerno customercode customernr memberid membernumber
    memberno clientid buyerid shopperid accountid contactid personid loyaltycard loyaltycardno loyaltyid cardno
    cardid visitorid idvisitor userpseudoid fullvisitorid clientuserid idcustomer iduser idmember kunnr kunag
    soldtoparty auftraggeber kundennummer kundennr kundenr kundenid debitor debitornr
    kundenkarte kundenkartennummer kundenkartennr kundenummer kundenr kundnummer kundnr klantnummer
    klantnr klantid customercard customercardno
    회원번호 회원id 회원아이디
    회원코드 고객번호 고객id 고객아이디 고객코드 구매자id 구매자아이디 구매자번호 주문자id 주문자아이디 아이디
    거래처코드 会員番号 会員id 顧客番号 顧客id 顧客コード 購入者id 注文者id 用户id 用户编号 会员id 会员编号
    客户id 客户编号 idclient clientcode numeroclient numclient nclient noclient codeclient refclient idutilisateur
    idcliente codigocliente ncliente numerocliente idusuario customerexternalid externalcustomerid custid custno
    buyeruserid buyerusername buyernickname username purchaserid profileid 买家会员名 买家昵称 買家帳號 買家id
"""
USER = f"""
    {USER_KEY} customeremail emailbilling billingemail useremail email emailaddress adresseemail correoelectronico
    주문자이메일 회원이메일 이메일 注文者メールアドレス メールアドレス customer user member kunde 회원 고객 buyeremail
    customermail contactemail purchaseremail emailcliente kundenemail kundeemail 구매자이메일
"""
PHONE = """
    phone phonenumber customerphone guestphone buyerphone mobile mobilenumber telefon telefonnummer telephone telefono
    전화번호 휴대폰 휴대폰번호 휴대전화 연락처 구매자연락처 주문자연락처 주문자휴대전화 電話番号 手机号 手机 电话
    customerphonenumber customermobile buyerphonenumber buyermobile contactphone kundetelefon kundentelefon
    telefonkunde telefonocliente telephoneclient 구매자전화번호 구매자휴대폰 구매자휴대폰번호 주문자전화번호
    주문자휴대폰 주문자휴대폰번호 고객전화번호 注文者電話番号 买家手机 tipoynumerodedocumento documento dni cpf cnpj
"""
"""Columns of phone numbers and documents, by which tills identify customers who have no other id."""
NICKNAMES = "buyer purchaser acheteur comprador käufer acquirente 구매자 買家 买家 購入者"
"""Columns of what customers are called, where nothing else names them."""
_GUESTS = """
    0 00 000 0000 guest guests guestcheckout anonymous anonym unknown walkin walkincustomer cashcustomer gast gastkunde
    laufkunde barverkauf invité anonyme passage invitado anónimo consumidorfinal ospite convidado 비회원 비회원구매
    게스트 익명 ゲスト 非会員 游客 匿名
"""
ITEM = """
    itemid stockcode lineitemsku internalreference productinternalreference defaultcode productsku itemsku sku
    variationsku itemsitemid itemsid productid productkey
    productsk itemsk itemcode itemno itemnumber productcode productno productnumber articleid articleno
    articlenumber articlecode variantsku variantid asin ean ean13 upc gtin barcode plu materialnumber materialno
    material matnr artikelnummer artikelnr artikelid contentid movieid bookid isbn handle product item article artikel
    상품코드 상품번호 상품번호스마트스토어 판매자상품코드 상품id 상품아이디 품목코드 품목번호 제품코드 제품번호
    자체상품코드 품번 자재코드 바코드 상품 商品コード 商品管理番号 商品番号 商品id 品番 商品编号 商品编码 商品id
    产品编号 refproduit codeproduit codearticle refarticle reference idproduit idproducto codigoproducto
    codigoarticulo refarticulo referencia productreference
    customlabel sellersku merchantsku itemcustomlabel listingid idproduct idarticle skuid productexternalid
    externalproductid
    externalvariantid 노출상품id 옵션id 등록상품id 업체상품코드 판매자상품id 货号 商家编码 宝贝id 貨號 商品編號
    商品貨號 modelnumber stylenumber stylecode varenummer varenr varunummer artikkelnummer artikkelnr
"""
TIME = """
    timestamp eventtimestamp servertime eventtime orderdate orderdatetime orderedat ordertime datecreated createdat
    purchasedate purchasedat purchasetime invoicedate transactiondate transactiontime transactiondatetime
    transactioncreationdate saledate
    salesdate soldat saletime datetime occurredat sentat paidat processedat visittime eventdate fakturadatum
    belegdatum bestelldatum auftragsdatum buchungsdatum verkaufsdatum fkdat erdat budat postingdate billingdate
    unixtime epoch ts date time datum 주문일시 주문일자 주문일 주문날짜 주문시간 구매일시 구매일자 구매일 결제일시
    결제일자 결제일 거래일시 거래일자 판매일시 판매일자 판매일 전표일자 일시 일자 날짜 注文日時 注文日 購入日時
    購入日 受注日時 受注日 日時 日付 下单时间 订单时间 订单日期 付款时间 时间 日期 datecommande datedecommande
    dateachat dateheure bestellzeit kaufdatum rechnungsdatum dateadd fechacompra fechaventa fechapedido fechahora
    fechadecompra fechadeventa fechadepedido createtime completetime orderdatetime 订单创建时间 订单付款时间 下單時間
    訂單日期 訂購日期 fecha fakturadato ordredato bestillingsdato købsdato salgsdato dato fakturadatum orderdatum
    besteldatum factuurdatum
"""
TYPE = """
    eventtype eventname event actiontype action behaviortype behavior behaviour interactiontype activity 이벤트유형
    이벤트명 이벤트 행동 행동유형 イベント名 イベント 行为类型 行为
"""
PRICE = """
    price calculatedprice unitprice saleprice salesprice sellingprice regularprice variantprice listprice finalprice
    baseprice itemprice productprice lineitemprice articleprice retailprice priceamount grossprice netprice soldfor
    verkaufspreis vkpreisbrutto bruttopreis
    preisbrutto einzelpreis listenpreis preis vkpreis 판매가 판매가격 판매단가 옵션판매가 단가 가격 정상가 소비자가
    상품가격 販売価格 単価 価格 售价 单价 价格 prixvente prixttc prixunitaire prix precioventa preciounitario precio pvp
    salgspris enhedspris enhetspris pris försäljningspris verkoopprijs stukprijs prijs
"""
CATEGORIES = (
    """
    categoryl1 category categories categoryname categorydetails categorypath primarycategory maincategory category1
    productcategory itemcategory itemsitemcategory producttype department departmentname section productgroup
    productline materialgroup matkl warengruppe kategorie abteilung type collection aisle 대분류 대카테고리 카테고리
    카테고리명 상품카테고리 상품분류 품목분류 품목구분 분류 大カテゴリ カテゴリー カテゴリ 商品カテゴリ 部門 类目
    productgroupname producttypename kategoriename categoriename nomcategorie nombrecategoria nomecategoria
    商品类别 分类 categorie rayon famille categoria familia ジャンル ジャンルid varegruppe varugrupp varekategori
    productgroep artikelgroep
    """,
    """
    categoryl2 subcategory category2 subcategoryname itemscategory2 itemsitemcategory2 unterkategorie 중분류
    中カテゴリ
    """,
    """
    categoryl3 category3 subsubcategory itemscategory3 itemsitemcategory3 소분류 小カテゴリ
    """,
)
DESCRIPTION = """
    productdescription description descriptionlong longdescription bodyhtml body shortdescription beschreibung
    artikelbeschreibung 상품설명 상품상세 상세설명 설명 商品説明 商品説明文 説明 商品描述 descripcion
"""
CREATED = """
    creationtimestamp createdat datecreated creationdate publishedat launchdate releasedate 상품등록일 등록일
    등록일시 등록일자 출시일 登録日 上架时间
"""
QUANTITY = """
    quantity qty lineitemquantity itemquantity itemsquantity orderquantity qtyordered quantityordered quantityrefund
    units unitssold amount menge faktmenge fkimg kwmeng lfimg anzahl stueck stück 수량 주문수량 판매수량 구매수량
    数量 個数 productquantity quantite qte cantidad unidades quantitypurchased unitquantity 구매수
    antal antall aantal
"""
RETURNED_QUANTITY = """
    qtyrefunded refundedqty quantityrefunded refundedquantity qtyreturned returnedqty quantityreturned returnedquantity
    qtycanceled qtycancelled canceledqty quantitycanceled quantitycancelled cancelledquantity
    반품수량 환불수량 취소수량 返品数 返品数量 退货数量 retourenmenge
"""
"""Columns that tell how many of the bought pieces came back or were cancelled."""
LEFT_QUANTITY = "quantityrefund quantityminusrefund netquantity netqty"
"""Columns that tell how many of the bought pieces remain after refunds, as WooCommerce's Quantity (- Refund)."""
ORDER = """
    orderid ordername ordernumber orderno ordernr order idorder orderreference saleid chargeid salesrecordnumber name
    invoiceno invoicenumber invoiceid invoice receiptnumber receiptno ticketno transactionid checkid vbeln faktura
    fakturanummer bonnr bonnummer bonid kassenbon
    receiptid receipt
    ordrenummer ordrenr ordernummer factuurnummer bestelnummer bestellnummer bestellnr
    auftragsnummer belegnummer numerocommande numcommande commande numeropedido
    pedido 주문번호 상품주문번호 전표번호 注文番号 受注番号 订单号 订单编号 訂單編號
"""
LINES = """
    items lineitems orderitems orderlines orderlineitems lines products orderproducts productitems positions
    lineitemsedges cartitems basketitems 상품 상품목록 주문상품 주문상품목록 商品 明細 positionen artikel
    produits lignes linjer ordrelinjer fakturalinjer rader orderrader regels orderregels
"""
"""Lists within a row, whose objects are lines of an order or items of an event."""
_TIMES_OF_DAY = """
    time ordertime saletime timeofday transactiontime erzet uhrzeit zeit heure hora 시간 시각 時刻 时间
"""
_CURRENCY = """
    currency currencycode ordercurrency pricecurrency waehrung wahrung waerk devise moneda divisa valuta 통화 화폐
    通貨 货币 币种
"""
_NAMES_IN_SALES = """
    name title productname itemname lineitemname itemsitemname menuitem arktx bezeichnung 상품명 product item
    description
"""
PRODUCT_TYPES = frozenset({"producttype", "productstype", "itemtype"})
"""Columns that tell simple products from configurable ones, which contain them, as Magento exports both."""
FRAMES = ("configurable", "bundle")
_KEYS = "id key code nr no number 번호 코드"
"""Names of the id column in a file about one kind of thing."""
TARGETS: Mapping[DataKind, Mapping[str, str]] = {
    "interactions": {"USER_ID": f"{USER} {PHONE} {NICKNAMES}", "ITEM_ID": ITEM, "TIMESTAMP": TIME, "EVENT_TYPE": TYPE},
    "users": {"USER_ID": f"{USER_KEY} {_KEYS} {USER}", **choices.NAMES},
    "items": {
        "ITEM_ID": f"{ITEM} {_KEYS}",
        "PRICE": PRICE,
        "CATEGORY_L1": CATEGORIES[0],
        "CATEGORY_L2": CATEGORIES[1],
        "CATEGORY_L3": CATEGORIES[2],
        "PRODUCT_DESCRIPTION": DESCRIPTION,
        "CREATION_TIMESTAMP": CREATED,
    },
}
_NAMES = """
    producttitle itemtitle articletitle posttitle articlename bezeichnung artikelbezeichnung artikelname
    produktbezeichnung produktname warenbezeichnung artikeltext 상품명 품목명 제품명 商品名 商品名称 产品名称 品名
    nom nomproduit nomduproduit nomarticle designation libelle libelleproduit nombre nombreproducto nombreproduct
    nombrearticulo denominacion titulo titre lineitemtitle lineitemname publicationtitle titulodelapublicacion
    등록상품명 노출상품명 宝贝标题 商品標題 navn varenavn produktnavn varunamn produktnamn naam productnaam
    artikelomschrijving
"""
"""Columns with items' names."""
_TRANSLATIONS = """
    브랜드=BRAND 브랜드명=BRAND ブランド=BRAND 品牌=BRAND 제조사=MANUFACTURER 색상=COLOR 컬러=COLOR 사이즈=SIZE
    옵션=OPTIONS 나이=AGE 연령=AGE 연령대=AGE_GROUP 年齢=AGE 年代=AGE_GROUP 年龄=AGE 성별=GENDER 性別=GENDER
    性别=GENDER 지역=REGION 시도=REGION 都道府県=REGION 城市=CITY 도시=CITY 국가=COUNTRY 회원등급=MEMBERSHIP_STATUS
    등급=MEMBERSHIP_STATUS 고객등급=MEMBERSHIP_STATUS 会員ランク=MEMBERSHIP_STATUS 会员等级=MEMBERSHIP_STATUS
    가입일=JOINED 가입경로=CHANNEL 기기=DEVICE 채널=CHANNEL größe=SIZE schlüssel=KEY 가격대=PRICE_RANGE
    할인율=DISCOUNT 재고=STOCK 在庫数=STOCK 재고수량=STOCK 이미지=IMAGE_URL 이미지url=IMAGE_URL 이미지주소=IMAGE_URL
    이미지링크=IMAGE_URL 이미지경로=IMAGE_URL 상품이미지=IMAGE_URL 상품이미지url=IMAGE_URL 대표이미지=IMAGE_URL
    대표이미지url=IMAGE_URL 썸네일=IMAGE_URL 썸네일url=IMAGE_URL 画像url=IMAGE_URL 商品画像=IMAGE_URL
    商品画像url=IMAGE_URL 图片=IMAGE_URL 图片链接=IMAGE_URL 商品图片=IMAGE_URL
"""
_EVENTS = """
    payment=Purchase refund=Return refunded=Return returned=Return 반품=Return 환불=Return 返品=Return 返金=Return
    退货=Return 退款=Return retoure=Return remboursement=Return devolucion=Return purchase=Purchase
    purchased=Purchase buy=Purchase bought=Purchase order=Purchase ordered=Purchase transaction=Purchase
    checkoutcomplete=Purchase ordercompleted=Purchase 구매=Purchase 구매완료=Purchase 주문=Purchase 購入=Purchase
    购买=Purchase view=View viewed=View viewitem=View viewproduct=View productview=View productviewed=View
    detail=View pdpview=View click=View 조회=View 상품조회=View 閲覧=View 浏览=View addtocart=AddToCart
    cart=AddToCart addcart=AddToCart productadded=AddToCart 장바구니=AddToCart 장바구니담기=AddToCart
    カート追加=AddToCart 加购=AddToCart
"""
"""Event types, and the names that filters, use cases and the purchase likelihood have for them."""
PERSONAL = re.compile(
    r"(first|last|full|sur|family|given|billing|shipping|customer|user|member)?name|.*e?mail.*|.*phone.*|.*mobile|.*address.*"
    r"|street.*|zip.*|postal.*|postcode|.*birth.*|dob|nom|prenom|nomdefamille|adresse.*|.*telephone|portable|codepostal|datedenaissance|nombre|apellidos?|correo.*|telefono|movil"
    r"|direccion|codigopostal|fechadenacimiento|geburtsdatum|geburtstag|.*password.*|.*token|ip|ipaddress|vorname"
    r"|nachname|strasse|plz|telefon"
    r"|(for|efter|etter|kunde)?navn|(for|efter|kund)?namn|(voor|achter|klant)?naam|postnr|postnummer|adres|.*tlf.*"
    r"|.*mobil|telefoon.*|geboortedatum"
    r"|.*telefon.*|이름|성명|회원명|고객명|.*전화.*|.*휴대.*|연락처|.*주소.*|우편번호|생년월일|생일|비밀번호|氏名|.*電話.*|.*住所.*|生年月日|姓名|.*电话.*|.*地址.*"
)
"""Names of users' columns that say who somebody is, which no recommendation needs."""
FILES: Mapping[DataKind, str] = {
    "users": r"user|customer|member|client|kunde|klant|utilisateur|usuario|people|person|회원|고객|会員|顧客|用户|会员",
    "items": r"item|product|article|catalog|sku|goods|material|artikel|varer|varor|produ[kc]t|produit|articulo"
    r"|상품|품목|제품|商品|产品",
    "interactions": r"order|sale|event|transaction|interaction|purchase|invoice|history|bestell|faktur"
    r"|commande|vente|pedido|venta|주문|구매|거래|판매|注文|購入|订单",
}
"""Names of files by what they have."""


def translated(name: str, kind: DataKind) -> str | None:
    """Return the English name of a shop's own column, since Personalize takes ASCII alone; None where none is known."""
    words = forms(name)
    if kind == "items" and not _ITEM_NAMES.isdisjoint(words):
        return "NAME"
    return next((ours for word in words if (ours := _TRANSLATED.get(word))), None)


def event(name: str) -> str | None:
    """Return what an event type is called here."""
    return _NAMED.get(plain(name))


@lru_cache(8_192)
def plain(name: str) -> str:
    """Return a column's name as the lists above have it, without accents."""
    apart = re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", name))
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", apart)).casefold()


@lru_cache(8_192)
def bare(name: str) -> str:
    """Return a column's name in that form, without what is in brackets."""
    return plain(re.sub(r"[(\[].*?[)\]]", "", unicodedata.normalize("NFKC", name)))


def inner(name: str) -> str:
    """Return the name of a column in the list whose objects are rows, in that form; "" for other columns.

    Programs that show a table of orders with their lines write `Order Lines/Quantity`.
    """
    *outer, last = name.split("/") if "/" in name else name.split(".")
    lists = outer if "/" in name else outer[-1:]
    return plain(last) if not _LINES.isdisjoint(map(plain, lists)) else ""


def scripts(name: str) -> list[str]:
    """Return the parts of a text in two scripts, as in `会员编号 Member ID`; none of a text in one."""
    parts = [part for part in _TWO_SCRIPTS.split(name) if len(plain(part)) > 1]
    return parts if len(parts) == 2 else []


@cache
def forms(name: str) -> tuple[str, ...]:
    """Return the forms of a column's name under which the lists above may have it, the surest first."""
    path = [part for part in re.split(r"[./]", name) if plain(part) not in _ENVELOPES]
    inside = ["".join(path), "".join(path[-2:])] if len(path) < len(re.split(r"[./]", name)) else []
    line = _LINE.sub("", name)
    words = plain(name).removesuffix("sku") if re.fullmatch(r"[A-Za-z]+[ _-]sku", name, re.IGNORECASE) else "supplier"
    tail = "" if words in _NOT_SOLD else "sku"
    shapes = (plain(name), bare(name), inner(name), *map(plain, (*inside, *scripts(name))), plain(line), tail)
    return tuple(dict.fromkeys(shape for shape in shapes if shape))


@cache
def ranks(names: str) -> Mapping[str, int]:
    """Return how good the names of a list are: the lower, the better."""
    return {plain(name): rank for rank, name in reversed(list(enumerate(names.split())))}


TIMES_OF_DAY = frozenset(_TIMES_OF_DAY.split())
GUESTS = frozenset(map(plain, _GUESTS.split()))
"""What stands in the place of an id where a buyer has none."""
CURRENCY = frozenset(_CURRENCY.split())
NAMES_IN_SALES = frozenset(_NAMES_IN_SALES.split())
"""Columns of sales that have items' names, where no better name is there."""
_LINES = frozenset(map(plain, LINES.split())) | {"item", "lineitem", "orderline", "orderitem"}
_LINE = re.compile(r"^(?:order|sales?|line)[_ -]?(?:line|item)s?[_ -](?=\w)", re.IGNORECASE)
"""What stands before the name of a column of lines, as in `line_item_title`."""
_NOT_SOLD = frozenset({"supplier", "vendor", "parent", "old", "bundle", "manufacturer"})
"""Words before `SKU` of what is not the sold item's."""
_ENVELOPES = frozenset(
    {"data", "node", "attributes", "relationships", "properties", "eventproperties", "traits", "context"}
)
"""Objects around others that say nothing of them."""
_OTHER = "\u0370-\u1fff\u3040-\ud7ff\uf900-\ufaff"
_TWO_SCRIPTS = re.compile(rf"(?<=[{_OTHER})\uff09])[\s/|]+(?=[A-Za-z])|(?<=[A-Za-z.)])[\s/|]+(?=[{_OTHER}])")
"""What stands between letters of Latin and of another script."""
_ITEM_NAMES = frozenset(map(plain, _NAMES.split()))
_NAMED = {plain(word): ours for word, ours in (pair.split("=") for pair in _EVENTS.split())}
_TRANSLATED = {plain(word): ours for word, ours in (pair.split("=") for pair in _TRANSLATIONS.split())}
