// A phone shows a part of the navigation: the item of this page is scrolled into view.
document.querySelector("header nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" })
