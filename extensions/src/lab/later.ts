export const hi = () => console.log("later");
